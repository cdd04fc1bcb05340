"""`kreisfunk keys`: new encryption keys and index keys, without downtime."""

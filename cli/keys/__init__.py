"""`kreisfunk keys`: new sealing keys and index keys, while everything runs."""

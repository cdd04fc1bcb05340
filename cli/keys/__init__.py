"""`kreisfunk keys`: new sealing keys, while everything runs."""

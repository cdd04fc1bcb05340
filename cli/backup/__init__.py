"""`kreisfunk backup` and `kreisfunk restore`: the whole database as one encrypted file, and back (decision 0032)."""

"""A database is lost in the middle of a broadcast, and an older backup of it is restored."""

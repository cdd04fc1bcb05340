"""How fast a million addresses are sealed with a new key, while the database is used by nobody else."""

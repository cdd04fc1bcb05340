"""Pages of the newsroom and of the public archive."""

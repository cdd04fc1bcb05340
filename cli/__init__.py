"""The `kreisfunk` command."""

"""PostgreSQL: a pool that tells "away" from "wrong", and migrations."""

"""`docker compose up` with a new image while a broadcast is being sent by the old one."""

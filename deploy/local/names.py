"""Names of database, owner and administrator in a local stack, importable without the server modules."""

DATABASE, OWNER = "kreisfunk", "kreisfunk_owner"
ADMIN = "kreisfunk_admin"

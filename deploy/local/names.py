"""What the servers of a local stack call their owners: known without the programs that run them."""

DATABASE, OWNER = "kreisfunk", "kreisfunk_owner"
ADMIN = "kreisfunk_admin"

"""The whole system on one machine without a container engine: PostgreSQL, RabbitMQ, our services."""

# Database, its owner, and who administers broker and database.
DATABASE, OWNER = "kreisfunk", "kreisfunk_owner"
ADMIN = "kreisfunk_admin"


class LocalError(Exception):
    """An error of a local stack whose message is meant for the person at the terminal and holds no secret."""

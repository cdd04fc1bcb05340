"""The whole system on one machine without a container engine: PostgreSQL, RabbitMQ, our services."""

# Database, its owner, and the administrator of broker and database.
DATABASE, OWNER = "kreisfunk", "kreisfunk_owner"
ADMIN = "kreisfunk_admin"


class LocalError(Exception):
    """An error of a local stack, with a message for the person at the terminal; it contains no secret."""

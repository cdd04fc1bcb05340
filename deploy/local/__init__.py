"""The whole system on one machine without a container engine: PostgreSQL, RabbitMQ, our services."""

DATABASE, OWNER = "kreisfunk", "kreisfunk_owner"

"""Replicated servers on one machine: a PostgreSQL primary with standbys, and a RabbitMQ cluster."""

"""Adapters to PostgreSQL, RabbitMQ and Prometheus."""

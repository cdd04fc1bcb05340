"""Adapters to PostgreSQL, RabbitMQ, the notices API, browsers and Prometheus."""

"""PostgreSQL, RabbitMQ, the county's file and the metrics."""

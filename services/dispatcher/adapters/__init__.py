"""PostgreSQL, the Graph API, RabbitMQ lanes and Prometheus."""

"""RabbitMQ: the only place that imports aio_pika and the only place that settles a message."""

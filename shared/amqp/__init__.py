"""RabbitMQ: the only package that imports aio_pika, and the only one that settles messages."""

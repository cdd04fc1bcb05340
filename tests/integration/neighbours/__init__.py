"""A municipal system that does its worst over AMQP, while citizens write."""

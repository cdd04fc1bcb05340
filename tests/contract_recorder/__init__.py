"""Comparison of all messages that tests publish with the AsyncAPI document.

RabbitMQ's tracing copies what is published on a vhost without changing its route. Every fixture with a broker has a
recorder; at the end of a full run each channel of the document must have been seen.
"""

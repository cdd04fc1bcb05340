"""What tests put through a broker, held against the AsyncAPI document.

RabbitMQ's tracing copies what is published on a vhost without changing where it goes. Every fixture that has a broker
has a tap; at the end of a full run each channel of the document must have been seen.
"""

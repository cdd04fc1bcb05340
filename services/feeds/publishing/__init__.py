"""Publishing of notice events over AMQP; `publish` returns once Kreisfunk has stored the event."""

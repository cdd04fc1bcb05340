"""Messages about the broker for operators."""

import logging

from shared.outcome import DependencyUnavailable

_ADVICE = {
    "Authentication": "It refuses this login: check the user in KREISFUNK_BROKER_URL and KREISFUNK_BROKER_PASSWORD.",
    "NotFoundEntity": "An exchange or queue is missing there: run `kreisfunk migrate` as the broker's administrator.",
    "AccessRefused": "This login lacks a permission: run `kreisfunk migrate` as the broker's administrator.",
}


def explain_broker_error(error: DependencyUnavailable) -> str:
    """Return one sentence of advice on a broker error."""
    matching = (advice for name, advice in _ADVICE.items() if name in str(error))
    return next(matching, "Is RabbitMQ up, and are host, port and vhost in KREISFUNK_BROKER_URL right?")


def suppress_driver_logs() -> None:
    """Silence the drivers' logs about an unreachable broker, as the commands report it themselves."""
    for name in ("aio_pika", "aiormq"):
        logging.getLogger(name).setLevel(logging.CRITICAL)

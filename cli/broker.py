"""How commands speak about the broker."""

import logging

from shared.outcome import DependencyUnavailable

_ADVICE = {
    "Authentication": "It refuses this login: check the user in KREISFUNK_BROKER_URL and KREISFUNK_BROKER_PASSWORD.",
    "NotFoundEntity": "Something is not declared there: run `kreisfunk migrate` as the broker's administrator.",
    "AccessRefused": "This login lacks a permission: run `kreisfunk migrate` as the broker's administrator.",
}


def explain_broker_error(error: DependencyUnavailable) -> str:
    """A sentence for the person at the terminal."""
    known = (advice for kind, advice in _ADVICE.items() if kind in str(error))
    return next(known, "Is RabbitMQ up, and are host, port and vhost in KREISFUNK_BROKER_URL right?")


def suppress_driver_logs() -> None:
    """What the drivers would write about a broker that is away is said in our words already."""
    for name in ("aio_pika", "aiormq"):
        logging.getLogger(name).setLevel(logging.CRITICAL)

"""A queue of one's own that hears what is said about notices, also while nobody looks."""

from collections.abc import Sequence
from typing import Any

from aio_pika.abc import AbstractRobustConnection

from shared.amqp.connection import AWAY, BrokerAway
from shared.amqp.topology import EVENTS

KEPT_SECONDS = 30 * 86_400
MOST_ANSWERS = 10_000
_ARGUMENTS: dict[str, Any] = {
    "x-queue-type": "quorum",
    "x-delivery-limit": -1,
    "x-max-length": MOST_ANSWERS,
    "x-message-ttl": KEPT_SECONDS * 1000,
}


def answers_of(login: str) -> str:
    """The name of the queue: one that this login may have."""
    return f"municipal.{login}.answers"


async def declare_answers(connection: AbstractRobustConnection, login: str, keys: Sequence[str]) -> None:
    """From now on nothing that is said under these keys is missed. Safe to repeat. Raises BrokerAway."""
    try:
        channel = await connection.channel(publisher_confirms=False)
        try:
            queue = await channel.declare_queue(answers_of(login), durable=True, arguments=_ARGUMENTS)
            for key in keys:
                await queue.bind(EVENTS, key)
        finally:
            await channel.close()
    except AWAY as error:
        raise BrokerAway(f"cannot have answers: {type(error).__name__}") from None

"""Looking at the topology without changing it: what exists, and how much waits there."""

from collections.abc import Iterable
from dataclasses import dataclass

from aio_pika.abc import AbstractRobustConnection
from aio_pika.exceptions import ChannelNotFoundEntity

from shared.amqp import topology
from shared.amqp.connection import AWAY, BrokerAway

EXCHANGES = (
    topology.MUNICIPAL_EVENTS,
    topology.API_NOTICES,
    topology.INBOUND,
    topology.DISPATCH,
    topology.EVENTS,
    topology.DEAD,
)


@dataclass(frozen=True, kw_only=True)
class Inventory:
    """`missing` are exchanges and queues that are not there; `waiting` the ready messages of each queue that is."""

    missing: tuple[str, ...]
    waiting: dict[str, int]


def queue_names() -> list[str]:
    """Every queue of the topology."""
    tiers = [queue.tier(name) for queue in topology.QUEUES for name in topology.TIERS]
    return [
        *(queue.name for queue in topology.QUEUES),
        *kept_queues(),
        topology.NOTICES_QUARANTINE,
        *(stream.name for stream in topology.STREAMS),
        *tiers,
    ]


def kept_queues() -> list[str]:
    """Where messages stay until an operator looks at them: dead letters and webhooks that were not understood.

    Rejected notices need none: their publisher was told what to mend.
    """
    return [*(queue.dead for queue in topology.QUEUES), topology.QUARANTINE]


async def take_inventory(connection: AbstractRobustConnection) -> Inventory:
    """Any login may do this: looking needs no permission. Raises BrokerAway."""
    try:
        missing = await _missing_exchanges(connection)
        waiting = await _waiting(connection, queue_names())
    except AWAY as error:
        raise BrokerAway(f"cannot look at the topology: {type(error).__name__}") from None
    absent = [name for name in queue_names() if name not in waiting]
    return Inventory(missing=(*missing, *absent), waiting=waiting)


async def ready_messages(connection: AbstractRobustConnection, names: Iterable[str]) -> list[int]:
    """Return how many messages wait in each of these queues. Raises BrokerAway."""
    try:
        return list((await _waiting(connection, names)).values())
    except AWAY as error:
        raise BrokerAway(f"cannot look at queues: {type(error).__name__}") from None


async def _missing_exchanges(connection: AbstractRobustConnection) -> list[str]:
    return [name for name in EXCHANGES if not await _exchange_exists(connection, name)]


async def _exchange_exists(connection: AbstractRobustConnection, name: str) -> bool:
    # A channel for each look: the broker closes it when the thing is not there.
    channel = await connection.channel(publisher_confirms=False)
    try:
        await channel.declare_exchange(name, passive=True)
    except ChannelNotFoundEntity:
        return False
    finally:
        await channel.close()
    return True


async def _waiting(connection: AbstractRobustConnection, names: Iterable[str]) -> dict[str, int]:
    counts = {name: await _message_count(connection, name) for name in names}
    return {name: count for name, count in counts.items() if count is not None}


async def _message_count(connection: AbstractRobustConnection, name: str) -> int | None:
    channel = await connection.channel(publisher_confirms=False)
    try:
        return (await channel.declare_queue(name, passive=True)).declaration_result.message_count
    except ChannelNotFoundEntity:
        return None
    finally:
        await channel.close()

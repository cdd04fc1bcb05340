"""A million subscribers, and the two raw speeds."""

import asyncio
import time
from uuid import UUID

import asyncpg

from services.subscriptions.adapters.broadcasts import _READ
from shared.amqp.publisher import Publisher
from shared.amqp.topology import DISPATCH
from shared.contracts.message import Lane

TOPIC = "strassensperrungen"
ROWS_PER_PAGE = 1_000
IN_FLIGHT = 16

_PEOPLE = """
    insert into subscriptions.subscriber (id, sequence, state, phone_index, phone_sealed)
    select (lpad(to_hex(1750000000000 + n), 12, '0') || substr(md5(n::text), 1, 20))::uuid, 1, 'subscribed',
        decode(lpad(to_hex(n), 32, '0'), 'hex'),
        decode(repeat('0a', 44), 'hex')
    from generate_series(1, $1) n
"""
_CHOICES = f"""
    insert into subscriptions.subscription (topic, subscriber_id)
    select '{TOPIC}', id from subscriptions.subscriber order by id
"""  # noqa: S608


async def create_subscribers(connection: asyncpg.Connection, people: int) -> None:
    """Create `people` subscribers of one topic."""
    await connection.execute(_PEOPLE, people)
    await connection.execute(_CHOICES)
    await connection.execute("vacuum analyze subscriptions.subscriber")
    await connection.execute("vacuum analyze subscriptions.subscription")


async def measure_read_rate(connection: asyncpg.Connection) -> float:
    """Return rows per second of the expansion's own query, in keyset pages that are discarded."""
    position, rows, started = UUID(int=0), 0, time.perf_counter()
    now = await connection.fetchval("select now()")
    while page := await connection.fetch(_READ, TOPIC, position, ROWS_PER_PAGE, now, None):
        position, rows = page[-1]["id"], rows + len(page)
    return rows / (time.perf_counter() - started)


async def measure_publish_rate(publisher: Publisher, body: bytes, messages: int, recipients: int) -> float:
    """Return recipients per second when ready batches are published, each confirmed."""
    numbers = iter(range(messages))
    started = time.perf_counter()

    async def work() -> None:
        for number in numbers:
            await publisher.publish(DISPATCH, Lane.URGENT, body, message_id=str(number))

    await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
    return messages * recipients / (time.perf_counter() - started)

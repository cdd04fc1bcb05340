"""Many subscribers at once, written by the superuser."""

import asyncpg

from tests.databases import FreshDatabase

_PEOPLE = """
    insert into subscriptions.subscriber (id, sequence, state, phone_index, phone_sealed)
    select ('01900000-0000-8000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 1, 'subscribed',
        decode(lpad(to_hex(n), 32, '0'), 'hex'), '\\x01ff'
    from generate_series(1, $1) n
"""
_TOPIC = """
    insert into subscriptions.subscription (topic, subscriber_id)
    select 'strassensperrungen', id from subscriptions.subscriber
"""


async def subscribe_many(database: FreshDatabase, number: int) -> None:
    """This many people with a topic."""
    connection = await asyncpg.connect(database.url)
    try:
        await connection.execute(_PEOPLE, number)
        await connection.execute(_TOPIC)
        await connection.execute("analyze subscriptions.subscriber, subscriptions.subscription")
    finally:
        await connection.close()


async def run_as_owner(database: FreshDatabase, statement: str, *arguments: object) -> None:
    """What no service may do, such as making rows old."""
    connection = await asyncpg.connect(database.url)
    try:
        await connection.execute(statement, *arguments)
    finally:
        await connection.close()

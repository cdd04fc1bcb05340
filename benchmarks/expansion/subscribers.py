"""A million subscribers of one topic."""

import asyncpg

TOPIC = "strassensperrungen"
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
    await connection.execute(_PEOPLE, people)
    await connection.execute(_CHOICES)
    await connection.execute("vacuum analyze subscriptions.subscriber")
    await connection.execute("vacuum analyze subscriptions.subscription")

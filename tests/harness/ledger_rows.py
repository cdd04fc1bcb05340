"""Rows of the ledger, as a dispatcher writes them, and of what subscriptions expands into it."""

from collections.abc import Mapping
from uuid import UUID

import asyncpg

from tests.factories.ids import generate_id
from tests.harness.writing import add_broadcast

TEMPLATE = "notice/de"
_BROADCAST = """
insert into dispatcher.broadcast (id, notice, revision, topic, lane, template, content, published_at, expires_at,
    audience, expanded)
values ($1, 'n-1', 1, 'strassensperrungen', 'bulk', $2, '{}', now(), now() + interval '1 day', $3, $3)
"""
_DELIVERY = """
insert into dispatcher.delivery (id, source, subscriber, sequence, lane, state, address_kind, address_index,
    address_sealed, asked_at, expires_at, due_at, waits_for, error_code, unknown_at)
select dispatcher.delivery_id($1, person), $1, person, 1, 'bulk', $2::text::dispatcher.delivery_state, 'phone', '', '',
    now(), now() + interval '1 day', case $2 when 'waiting' then now() end,
    case $2 when 'waiting' then 'rate'::dispatcher.wait_cause end, case $2 when 'failed' then 131026 end,
    case $2 when 'unknown' then now() end
from (select gen_random_uuid() as person from generate_series(1, $3)) people
"""
_RATE = """
insert into dispatcher.rate (number, per_second, ceiling, people_a_day, messages_a_month)
values ('1', 80, 80, 1000, 40000)
on conflict (number) do update set paused_reason = null, paused_by_operator = false
"""
_EXPANSION = """
with notice as (insert into subscriptions.notice (source, notice) values ('/x', $1::uuid::text))
insert into subscriptions.broadcast (id, source, notice, revision, digest, topic, lane, template, published_at,
    expires_at, state)
values ($1, '/x', $1::text, 1, '', 'stellen', 'bulk', '{}', now(), now() + interval '1 hour', $2)
"""


async def add_sent_broadcast(owner: asyncpg.Connection, states: Mapping[str, int]) -> UUID:
    """Add a broadcast to ledger and newsroom, with this number of deliveries in each state."""
    source = await add_broadcast(owner, id=generate_id())
    await owner.execute(_BROADCAST, source, TEMPLATE, sum(states.values()))
    for state, count in states.items():
        await owner.execute(_DELIVERY, source, state, count)
        await owner.execute("insert into dispatcher.broadcast_count values ($1, $2, 0, $3)", source, state, count)
    return source


async def add_expansion(owner: asyncpg.Connection, broadcast: UUID, state: str = "expanding") -> None:
    """Add the broadcast to those that subscriptions expands or has expanded."""
    await owner.execute(_EXPANSION, broadcast, state)


async def set_up_number(owner: asyncpg.Connection) -> None:
    """Add a sending number that is not paused."""
    await owner.execute(_RATE)


async def count_states(owner: asyncpg.Connection, broadcast: UUID) -> dict[str, int]:
    rows = await owner.fetch(
        "select state::text, count(*)::int as n from dispatcher.delivery where source = $1 group by state", broadcast
    )
    return {row["state"]: row["n"] for row in rows}

"""The list of broadcasts, read every second while somebody watches it, costs the same however many there are."""

import json

import asyncpg
import pytest

from tests.integration.newsroom.writing_store import Store

_ADD = """
    insert into newsroom.broadcast (id, source, notice, revision, topic, headline, accepted_at, started_at, finished_at)
    select gen_random_uuid(), '/theirs', 'n' || number, 1, 'stellen', 'Stelle ' || number,
        now() - number * interval '1 minute', now() - number * interval '1 minute', now()
    from generate_series($1::int, $2) number
"""


async def count_blocks(store: Store, owner: asyncpg.Connection, name: str) -> int:
    """Count the blocks that reading a page of the list takes."""
    await owner.execute("vacuum (analyze) newsroom.broadcast")
    plans: list[str] = []

    async def explain(statement: str, *arguments: object) -> list[asyncpg.Record]:
        plans.append(await store.database.fetchval(f"explain (analyze, buffers, format json) {statement}", *arguments))
        return []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store.database, "fetch", explain)
        await getattr(store.statuses, name)(101)
    (plan,) = plans
    root = json.loads(plan)[0]["Plan"]
    return int(root["Shared Hit Blocks"]) + int(root["Shared Read Blocks"])


@pytest.mark.parametrize("name", ["list_newest", "list_begun"])
async def test_ten_times_as_many_broadcasts_cost_listing_the_newest_the_same(
    store: Store, owner: asyncpg.Connection, name: str
) -> None:
    await owner.execute(_ADD, 1, 2_000)
    few = await count_blocks(store, owner, name)
    await owner.execute(_ADD, 2_001, 20_000)
    assert await count_blocks(store, owner, name) < 2 * few

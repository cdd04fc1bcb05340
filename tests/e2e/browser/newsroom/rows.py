"""A newsroom in use: what its pages show when there is something."""

import asyncpg

from benchmarks.newsroom.rows import create_rows

BROADCASTS = 60


async def fill_newsroom(database: asyncpg.Connection) -> None:
    """Broadcasts, drafts in all states, feedback, a colleague, and a request that waits for a second person."""
    await create_rows(database, broadcasts=BROADCASTS, audience=1_000)

"""Broadcasts that the ledger does not know yet, and an operator's command."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg

from tests.databases import ROLE_PASSWORD, FreshDatabase
from tests.harness.commands import CommandResult, run_in_process

NOBODY = "018f0000-0000-8000-8000-000000000001"
HEADLINE = "L 149: Vollsperrung zwischen Worpswede und Hüttenbusch"
TEMPLATE = {"name": "stellen_v1", "language": "de", "parameters": [{"name": "headline", "text": HEADLINE}]}


async def run(environment: Mapping[str, str], *arguments: object) -> CommandResult:
    ended = await run_in_process(*map(str, arguments), environment=environment)
    assert ROLE_PASSWORD not in ended.everything
    return ended


async def insert_planned(
    database: FreshDatabase, broadcast: UUID, *, state: str = "scheduled", reason: str | None = None
) -> datetime:
    """A broadcast that subscriptions have, and when it begins; the ledger does not know it yet."""
    begins = (datetime.now(UTC) + timedelta(hours=3)).replace(microsecond=0)
    connection = await asyncpg.connect(database.url)
    await connection.execute("insert into subscriptions.notice (source, notice) values ('/x', $1)", str(broadcast))
    await connection.execute(
        """insert into subscriptions.broadcast (id, source, notice, revision, digest, topic, lane, template,
            published_at, expires_at, state, reason)
        values ($1, '/x', $2, 1, '', 'stellen', 'bulk', $7, $3, $4, $5, $6)""",
        *(broadcast, str(broadcast), begins, begins + timedelta(hours=1), state, reason, json.dumps(TEMPLATE)),
    )
    await connection.close()
    return begins

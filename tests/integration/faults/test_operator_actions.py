"""Actions of the bench's operator, on a real ledger."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import pytest

from cli.settings import OperatorSettings
from tests.databases import FreshDatabase
from tests.faults.operator_actions import FaultOperator
from tests.harness.ledger_rows import add_sent_broadcast, set_up_number
from tests.servers import wait_for

NOBODY: Any = None


@dataclass
class SlowOperator(FaultOperator):
    """One who gets the answer to a pause late: `committed` is set when the database has it."""

    committed: asyncio.Event = field(default_factory=asyncio.Event)
    answered: asyncio.Event = field(default_factory=asyncio.Event)

    async def _fetch(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        rows = await super()._fetch(statement, *arguments)
        if "pause_broadcast" in statement:
            self.committed.set()
            await self.answered.wait()
        return rows


@pytest.mark.parametrize("is_answered", [True, False], ids=["while it waits", "before the answer"])
async def test_what_is_paused_goes_on_when_the_traffic_ends(
    database: FreshDatabase, owner: asyncpg.Connection, is_answered: bool
) -> None:
    settings = OperatorSettings(database_url=database.build_role_url("kreisfunk_operator"), database_password=None)
    operator = SlowOperator(settings, NOBODY, lambda _: None)
    await set_up_number(owner)
    broadcast = await add_sent_broadcast(owner, {"waiting": 2})
    notice = await owner.fetchval("select notice from dispatcher.broadcast where id = $1", broadcast)
    pausing = asyncio.create_task(operator.pause(notice, 3_600.0))
    await operator.committed.wait()
    assert await fetch_reason(owner) == "Probe"
    if is_answered:
        operator.answered.set()
        await wait_for(lambda: bool(operator.commands))
    pausing.cancel()
    await asyncio.sleep(0)
    operator.answered.set()
    with pytest.raises(asyncio.CancelledError):
        await pausing
    assert await fetch_reason(owner) is None
    assert [command.until < float("inf") for command in operator.commands] == [True]


async def fetch_reason(owner: asyncpg.Connection) -> str | None:
    reason: str | None = await owner.fetchval("select paused_reason from dispatcher.broadcast")
    return reason

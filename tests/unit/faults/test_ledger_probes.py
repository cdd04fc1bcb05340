"""A database that is lost during a count is only unavailable, whatever the driver says."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NoReturn

import asyncpg
import pytest

from tests.faults import ledger_snapshot
from tests.faults.ledger_snapshot import PENDING, LedgerProbes


class BrokenConnection:
    def __init__(self, error: Exception) -> None:
        self.connection = self
        self._error = error

    async def fetchval(self, statement: str) -> NoReturn:
        raise self._error


@pytest.mark.parametrize(
    "error",
    [
        ConnectionResetError(),
        TimeoutError(),
        asyncpg.CannotConnectNowError(),
        asyncpg.InterfaceError("connection is closed"),
        asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_database_that_goes_away_during_a_count_is_not_known(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    @asynccontextmanager
    async def open_broken(_url: str) -> AsyncIterator[BrokenConnection]:
        yield BrokenConnection(error)

    monkeypatch.setattr(ledger_snapshot, "open_ledger_reader", open_broken)
    assert await LedgerProbes("postgresql://nobody").count(PENDING) is None

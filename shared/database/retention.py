"""Forgetting in small steps: how long each kind of row is kept, and who deletes and counts what is older."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

import structlog

from shared.database.pool import Database

STEP = 1_000

_AGE = "select coalesce(extract(epoch from now() - ({})), 0)::float8"
_log = structlog.get_logger()


class Kept(NamedTuple):
    """How long, and the statement that ends at most $2 of what is older than $1 and says how many that were.

    `oldest` asks for the moment of the oldest that there is; empty where nothing tells it cheaply.
    """

    kept: timedelta
    statement: str
    oldest: str = ""


def rows(kept: timedelta, table: str, key: str, moment: str) -> Kept:
    """Whole rows of a table, which are as old as their `moment` says."""
    return Kept(kept, deleting(table, key, moment), f"select min({moment}) from {table}")  # noqa: S608 (our own names)


def deleting(table: str, key: str, moment: str) -> str:
    """The statement for whole rows of a table."""
    return f"""
        with old as (
            select {key} from {table} where {moment} < now() - $1::interval limit $2),
        gone as (
            delete from {table} where {_as_row(key)} in (select {key} from old) returning true)
        select count(*) from gone
    """  # noqa: S608 (names of our own)


def _as_row(key: str) -> str:
    return f"({key})" if "," in key else key


async def forget(database: Database, kept: Kept, *, step: int = STEP) -> int:
    """One step; how much it ended. Raises DatabaseAway."""
    async with database.connection() as connection:
        count: int = await connection.fetchval(kept.statement, kept.kept, step)
    return count


@dataclass(frozen=True, kw_only=True)
class Retention:
    """Forgets what each rule says; `count` gets how many of which kind, `finished` after each round how many seconds
    old the oldest of each kind is, 0 if there is none.
    """

    database: Database
    rules: Mapping[str, Kept]
    count: Callable[[str, int], None]
    finished: Callable[[Mapping[str, float]], None] = lambda ages: None
    step: int = STEP

    async def run(self) -> None:
        """Step by step until nothing is left to forget. Raises DatabaseAway."""
        for kind, kept in self.rules.items():
            forgotten = 0
            while step := await forget(self.database, kept, step=self.step):
                forgotten += step
                self.count(kind, step)
            if forgotten:
                _log.info("forgotten", kind=kind, rows=forgotten)
        self.finished(await self._ages())

    async def _ages(self) -> Mapping[str, float]:
        ages: dict[str, float] = {}
        async with self.database.connection() as connection:
            for kind, kept in self.rules.items():
                if kept.oldest:
                    ages[kind] = await connection.fetchval(_AGE.format(kept.oldest))
        return ages

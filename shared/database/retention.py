"""Forgetting in small steps: how long each kind of row is kept, and who deletes and counts what is older."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

import structlog

from shared.database.pool import Database

MAX_PURGED_ROWS = 1_000

_AGE = "select coalesce(extract(epoch from now() - ({})), 0)::float8"
_log = structlog.get_logger()


class RetentionRule(NamedTuple):
    """How long, and the statement that ends at most $2 of what is older than $1 and says how many that were.

    `oldest` asks for the moment of the oldest that there is; empty where nothing tells it cheaply.
    """

    max_age: timedelta
    statement: str
    oldest_query: str = ""


def build_row_rule(max_age: timedelta, table: str, key: str, moment: str) -> RetentionRule:
    """Whole rows of a table, which are as old as their `moment` says."""
    return RetentionRule(max_age, build_delete_statement(table, key, moment), f"select min({moment}) from {table}")  # noqa: S608 (our own names)


def build_delete_statement(table: str, key: str, moment: str) -> str:
    """The statement for whole rows of a table."""
    return f"""
        with old as (
            select {key} from {table} where {moment} < now() - $1::interval limit $2),
        gone as (
            delete from {table} where {_format_row(key)} in (select {key} from old) returning true)
        select count(*) from gone
    """  # noqa: S608 (names of our own)


def _format_row(key: str) -> str:
    return f"({key})" if "," in key else key


async def purge(database: Database, rule: RetentionRule, *, max_rows: int = MAX_PURGED_ROWS) -> int:
    """One step; how much it ended. Raises DatabaseUnavailable."""
    async with database.connection() as connection:
        count: int = await connection.fetchval(rule.statement, rule.max_age, max_rows)
    return count


@dataclass(frozen=True, kw_only=True)
class Retention:
    """Forgets what each rule says; `count` gets how many of which kind, `finished` after each round how many seconds
    old the oldest of each kind is, 0 if there is none.
    """

    database: Database
    rules: Mapping[str, RetentionRule]
    on_deleted: Callable[[str, int], None]
    on_finished: Callable[[Mapping[str, float]], None] = lambda ages: None
    max_rows: int = MAX_PURGED_ROWS

    async def run(self) -> None:
        """Step by step until nothing is left to forget. Raises DatabaseUnavailable."""
        for kind, kept in self.rules.items():
            forgotten = 0
            while step := await purge(self.database, kept, max_rows=self.max_rows):
                forgotten += step
                self.on_deleted(kind, step)
            if forgotten:
                _log.info("purged", kind=kind, rows=forgotten)
        self.on_finished(await self._measure_ages())

    async def _measure_ages(self) -> Mapping[str, float]:
        ages: dict[str, float] = {}
        async with self.database.connection() as connection:
            for kind, kept in self.rules.items():
                if kept.oldest_query:
                    ages[kind] = await connection.fetchval(_AGE.format(kept.oldest_query))
        return ages

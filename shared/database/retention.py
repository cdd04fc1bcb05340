"""Retention: the maximum age of each kind of data, and purging in small steps."""

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
    """Maximum age, and a statement that purges at most $2 items older than $1 and returns their number.

    `oldest_query` returns the time of the oldest item; empty if finding that is expensive.
    """

    max_age: timedelta
    statement: str
    oldest_query: str = ""


def build_row_rule(max_age: timedelta, table: str, key: str, moment: str) -> RetentionRule:
    """Return the rule that deletes whole rows of a table by their column `moment`.

    It is compared again while deleting: another transaction may have renewed the row since it was found.
    """
    delete = f"""
        with old as (
            select {key} from {table} where {moment} < now() - $1::interval limit $2),
        gone as (
            delete from {table} where ({key}) in (select {key} from old) and {moment} < now() - $1::interval
            returning true)
        select count(*) from gone
    """  # noqa: S608 (our own names)
    return RetentionRule(max_age, delete, f"select min({moment}) from {table}")  # noqa: S608 (our own names)


async def purge(database: Database, rule: RetentionRule, *, max_rows: int = MAX_PURGED_ROWS) -> int:
    """Purge one step and return the number of purged items. Raises DatabaseUnavailable."""
    async with database.connection() as connection:
        count: int = await connection.fetchval(rule.statement, rule.max_age, max_rows)
    return count


@dataclass(frozen=True, kw_only=True)
class Retention:
    """Purge of all data by its retention rules.

    `on_deleted` gets the kind and number of the purged items; `on_finished`, after each round, the age in seconds of
    the oldest item of each kind, 0 if there is none.
    """

    database: Database
    rules: Mapping[str, RetentionRule]
    on_deleted: Callable[[str, int], None]
    on_finished: Callable[[Mapping[str, float]], None] = lambda ages: None
    max_rows: int = MAX_PURGED_ROWS

    async def run(self) -> None:
        """Purge step by step until nothing is too old. Raises DatabaseUnavailable."""
        for kind, rule in self.rules.items():
            purged = 0
            while count := await purge(self.database, rule, max_rows=self.max_rows):
                purged += count
                self.on_deleted(kind, count)
            if purged:
                _log.info("purged", kind=kind, rows=purged)
        self.on_finished(await self._measure_ages())

    async def _measure_ages(self) -> Mapping[str, float]:
        ages: dict[str, float] = {}
        async with self.database.connection() as connection:
            for kind, rule in self.rules.items():
                if rule.oldest_query:
                    ages[kind] = await connection.fetchval(_AGE.format(rule.oldest_query))
        return ages

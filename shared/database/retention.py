"""Retention: the maximum age of each kind of data, and purging in small steps."""

from collections.abc import Mapping
from datetime import timedelta
from typing import NamedTuple

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

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


async def purge(database: Database, rule: RetentionRule) -> int:
    """Purge one step and return the number of purged items. Raises DatabaseUnavailable."""
    async with database.connection() as connection:
        count: int = await connection.fetchval(rule.statement, rule.max_age, MAX_PURGED_ROWS)
    return count


class Retention:
    """Purge of a service's data by retention rules, with its metrics by kind of data."""

    def __init__(self, service: str, registry: CollectorRegistry) -> None:
        prefix = f"kreisfunk_{service}_retention"
        deleted = "Data deleted by retention: rows, addresses, whole weeks"
        finished = "Time at which retention last finished deleting everything due, at first that of the start"
        age = "Age of the oldest remaining row; a whole week is as old as its first day"
        self._deleted = Counter(f"{prefix}_deleted_rows", deleted, ["kind"], registry=registry)
        self._finished = Gauge(f"{prefix}_timestamp_seconds", finished, registry=registry)
        self._finished.set_to_current_time()  # so that the alert counts from the start, not from 1970
        self._oldest_age = Gauge(f"{prefix}_oldest_age_seconds", age, ["kind"], registry=registry)

    async def run(self, database: Database, rules: Mapping[str, RetentionRule]) -> None:
        """Purge step by step until nothing is too old. Raises DatabaseUnavailable."""
        for kind in rules:
            self._deleted.labels(kind)
        for kind, rule in rules.items():
            purged = 0
            while count := await purge(database, rule):
                purged += count
                self._deleted.labels(kind).inc(count)
            if purged:
                _log.info("purged", kind=kind, rows=purged)
        await self._measure_ages(database, rules)
        self._finished.set_to_current_time()

    async def _measure_ages(self, database: Database, rules: Mapping[str, RetentionRule]) -> None:
        """Record the age of the oldest item of each kind, 0 if there is none."""
        async with database.connection() as connection:
            for kind, rule in rules.items():
                if rule.oldest_query:
                    self._oldest_age.labels(kind).set(await connection.fetchval(_AGE.format(rule.oldest_query)))

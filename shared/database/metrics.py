"""Metrics of the whole database, PostgreSQL 17 or later, readable by any login."""

from collections.abc import Iterable, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from shared.database.pool import Connection

_STATEMENT = """
    select pg_database_size(datname) as size_bytes, numbackends as connections,
        current_setting('max_connections')::int as max_connections, xact_commit as commits, xact_rollback as rollbacks,
        deadlocks, blks_hit as block_hits, blks_read as block_reads, temp_bytes as temporary_bytes,
        tup_inserted + tup_updated + tup_deleted as changed_rows,
        (select max(age(datfrozenxid)) from pg_database) as transaction_age, live_rows, dead_rows,
        (select count(*) from pg_stat_replication) as replicas, unused_replication_slots, replication_lag_bytes,
        num_timed as checkpoints_timed, num_requested as checkpoints_requested, wal_bytes
    from pg_stat_database, pg_stat_checkpointer, pg_stat_wal,
        (select coalesce(sum(n_live_tup), 0) as live_rows, coalesce(sum(n_dead_tup), 0) as dead_rows
            from pg_stat_user_tables) as row_estimates,
        (select count(*) filter (where not active) as unused_replication_slots,
            coalesce(max(pg_current_wal_lsn() - restart_lsn), 0) as replication_lag_bytes
            from pg_replication_slots) as slots
    where datname = current_database()
"""
# Column, help.
_GAUGES = (
    ("size_bytes", "Size of the database on disk"),
    ("connections", "Connections to this database"),
    ("max_connections", "Connections that the server permits"),
    ("transaction_age", "Transactions since the oldest row that is not frozen; at 2,000,000,000 the server stops"),
    ("live_rows", "Rows in the tables, estimated"),
    ("dead_rows", "Old row versions that wait for a vacuum, estimated"),
    ("replicas", "Connected replicas, and backups in progress"),
    (
        "unused_replication_slots",
        "Replication slots without a connected replica; the server retains the log that it misses",
    ),
    ("replication_lag_bytes", "Write-ahead log that the slowest replica has not received yet"),
)
_COUNTERS = (
    ("commits", "Transactions committed"),
    ("rollbacks", "Transactions rolled back"),
    ("deadlocks", "Deadlocks found"),
    ("block_hits", "Blocks found in the server's memory"),
    ("block_reads", "Blocks read from outside the server's memory"),
    ("temporary_bytes", "Bytes written to temporary files"),
    ("changed_rows", "Rows inserted, updated or deleted"),
    ("checkpoints_timed", "Checkpoints that were due"),
    ("checkpoints_requested", "Checkpoints before they were due, because of many writes or a request"),
    ("wal_bytes", "Bytes of write-ahead log"),
)


class DatabaseCollector(Collector):
    """Figures of PostgreSQL as last read; without values before the first read."""

    def __init__(self) -> None:
        self._values: Mapping[str, float] = {}

    async def refresh(self, connection: Connection) -> None:
        """Read the figures on a connection that the caller holds anyway."""
        self._values = {name: float(value) for name, value in (await connection.fetchrow(_STATEMENT) or {}).items()}

    def collect(self) -> Iterable[Metric]:
        for name, text in _GAUGES:
            yield GaugeMetricFamily(f"kreisfunk_database_{name}", text, value=self._values.get(name))
        for name, text in _COUNTERS:
            yield CounterMetricFamily(f"kreisfunk_database_{name}", text, value=self._values.get(name))

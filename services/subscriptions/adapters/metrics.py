"""Metrics of this service."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge

from shared.database.pool import Database


class Metrics:
    """Metrics of this service: counters count what this replica did, gauges are read from the database."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.subscribers = Gauge("kreisfunk_subscriptions_subscribers", "People by state", ["state"], registry=registry)
        self.expanding = Gauge(
            "kreisfunk_subscriptions_expanding", "Broadcasts that are being expanded", registry=registry
        )
        self.inbound = Counter(
            "kreisfunk_subscriptions_inbound_total", "Citizens' messages by outcome", ["outcome"], registry=registry
        )
        self.notices = Counter(
            "kreisfunk_subscriptions_notices_total", "Notices by result", ["result"], registry=registry
        )
        self.expanded = Counter(
            "kreisfunk_subscriptions_expanded_recipients_total",
            "Recipients in pages that the broker confirmed",
            registry=registry,
        )
        self.retention_deleted = Counter(
            "kreisfunk_subscriptions_retention_deleted_rows_total",
            "Rows that retention deleted",
            ["kind"],
            registry=registry,
        )
        self.retention_at = Gauge(
            "kreisfunk_subscriptions_retention_at_seconds",
            "When retention last completed, in seconds since 1970",
            registry=registry,
        )
        self.retention_oldest_age = Gauge(
            "kreisfunk_subscriptions_retention_oldest_age_seconds",
            "Age of the oldest row kept, by kind",
            ["kind"],
            registry=registry,
        )
        self.oldest = Gauge(
            "kreisfunk_subscriptions_oldest_inbox_seconds", "Age of the oldest handled message", registry=registry
        )
        self.dead_letters = Gauge(
            "kreisfunk_subscriptions_dead_letters", "Messages of citizens that could not be handled", registry=registry
        )
        self.feedback = Gauge(
            "kreisfunk_subscriptions_feedback", "Feedback stored, by kind", ["kind"], registry=registry
        )

    def count_deleted(self, kind: str, rows: int) -> None:
        self.retention_deleted.labels(kind).inc(rows)

    def record_retention(self, ages: Mapping[str, float]) -> None:
        """Record that a round of retention is complete, with the oldest age of each kind in seconds."""
        self.retention_at.set_to_current_time()
        for kind, seconds in ages.items():
            self.retention_oldest_age.labels(kind).set(seconds)

    def count_inbound(self, outcome: str) -> None:
        self.inbound.labels(outcome).inc()

    def count_notice(self, result: str) -> None:
        self.notices.labels(result).inc()

    def count_expanded(self, recipients: int) -> None:
        self.expanded.inc(recipients)

    async def refresh(self, database: Database) -> None:
        """Read the gauges from the database. Raises DatabaseUnavailable."""
        async with database.connection() as connection:
            states = await connection.fetch(
                "select state, count(*) as people from subscriptions.subscriber group by state"
            )
            expanding = await connection.fetchval(
                "select count(*) from subscriptions.broadcast where state = 'expanding'"
            )
            feedback = await connection.fetch("select kind, count(*) as said from subscriptions.feedback group by kind")
            dead_letters = await connection.fetchval("select count(*) from subscriptions.dead_letter")
            oldest = await connection.fetchval(
                "select coalesce(extract(epoch from now() - min(handled_at)), 0)::float8 from subscriptions.inbox"
            )
        self.oldest.set(oldest)
        self.dead_letters.set(dead_letters)
        for row in feedback:
            self.feedback.labels(row["kind"]).set(row["said"])
        for state in ("subscribed", "unsubscribed", "merged"):
            self.subscribers.labels(state).set(0)
        for row in states:
            self.subscribers.labels(row["state"]).set(row["people"])
        self.expanding.set(expanding)

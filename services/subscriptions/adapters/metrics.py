"""Every metric of this service."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from shared.database.pool import Database


class Metrics:
    """Counters count what this replica did; gauges are read from the database."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.subscribers = Gauge("kreisfunk_subscriptions_subscribers", "People by state", ["state"], registry=registry)
        self.expanding = Gauge(
            "kreisfunk_subscriptions_expanding", "Broadcasts that are being expanded", registry=registry
        )
        self.inbound = Counter(
            "kreisfunk_subscriptions_inbound_total",
            "What became of citizens' messages",
            ["outcome"],
            registry=registry,
        )
        self.notices = Counter(
            "kreisfunk_subscriptions_notices_total",
            "What became of notices",
            ["result"],
            registry=registry,
        )
        self.expanded = Counter(
            "kreisfunk_subscriptions_expanded_recipients_total",
            "Recipients in pages that the broker confirmed",
            registry=registry,
        )

    def count_inbound(self, outcome: str) -> None:
        self.inbound.labels(outcome).inc()

    def count_notice(self, result: str) -> None:
        self.notices.labels(result).inc()

    def count_expanded(self, recipients: int) -> None:
        self.expanded.inc(recipients)

    async def refresh(self, database: Database) -> None:
        """Read the gauges. Raises DatabaseAway."""
        async with database.connection() as connection:
            states = await connection.fetch(
                "select state, count(*) as people from subscriptions.subscriber group by state"
            )
            expanding = await connection.fetchval(
                "select count(*) from subscriptions.broadcast where state = 'expanding'"
            )
        for state in ("subscribed", "unsubscribed", "merged"):
            self.subscribers.labels(state).set(0)
        for row in states:
            self.subscribers.labels(row["state"]).set(row["people"])
        self.expanding.set(expanding)

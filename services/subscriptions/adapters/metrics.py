"""Metrics of this service."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from services.subscriptions.domain.decision import MessageResult
from services.subscriptions.domain.feedback import FeedbackKind
from services.subscriptions.domain.subscriber import SubscriberState
from shared.contracts.message import Lane
from shared.database.metrics import DatabaseCollector, RetentionMetrics
from shared.database.pool import Database
from shared.notices.configuration import Category, Prices

# What Meta reports of recipients, beside the results of messages.
UNDELIVERABLE = ("refused", "stopped_marketing")
_NOTICE_RESULTS = ("accepted", "withdrawn", "repeated", "rejected", "checked")
_LANES = (Lane.URGENT, Lane.BULK)
_EXPANDING = "select lane, count(*) as broadcasts from subscriptions.broadcast where state = 'expanding' group by lane"
# Whoever stops keeps no topic, so this reads one index only.
_TOPICS = "select topic, count(*) as people from subscriptions.subscription group by topic"


class Metrics:
    """Metrics of this service: counters count what this replica did, gauges are read from the database."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"kreisfunk_subscriptions_{name}", text, labels, registry=registry)

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"kreisfunk_subscriptions_{name}", text, labels, registry=registry)

        self.subscribers = gauge("subscribers", "People by state", "state")
        self.topic_subscribers = gauge("topic_subscribers", "Subscribers of each topic", "topic")
        self.message_price = gauge("message_price_euros", "What Meta takes for a message, as configured", "category")
        self.expanding = gauge("expanding", "Broadcasts whose audience is being read", "lane")
        self.inbound = counter("inbound", "Citizens' messages, and Meta's reports of recipients, by outcome", "outcome")
        self.notices = counter("notices", "Notices by result", "result")
        self.expanded = counter("expanded_recipients", "Recipients handed to the dispatcher")
        self.retention = RetentionMetrics("subscriptions", registry)
        self.oldest = gauge("oldest_inbox_seconds", "Age of the oldest handled message; stays below nine days")
        self.dead_letters = gauge(
            "dead_letters", "Citizens' messages that could not be handled, encrypted; 0 when all is well"
        )
        self.feedback = gauge("feedback", "Feedback kept", "kind")
        self._database = DatabaseCollector()
        registry.register(self._database)
        for outcome in (*MessageResult, *UNDELIVERABLE):
            self.inbound.labels(outcome)
        for result in _NOTICE_RESULTS:
            self.notices.labels(result)
        for kind in FeedbackKind:
            self.feedback.labels(kind)
        for state in SubscriberState:
            self.subscribers.labels(state)
        for lane in _LANES:
            self.expanding.labels(lane)

    def show_prices(self, prices: Prices) -> None:
        """Export the prices that are configured."""
        for category in Category:
            if (price := prices.get_price(category)) is not None:
                self.message_price.labels(category).set(float(price))

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
            expanding = await connection.fetch(_EXPANDING)
            feedback = await connection.fetch("select kind, count(*) as said from subscriptions.feedback group by kind")
            dead_letters = await connection.fetchval("select count(*) from subscriptions.dead_letter")
            topics = await connection.fetch(_TOPICS)
            await self._database.refresh(connection)
            oldest = await connection.fetchval(
                "select coalesce(extract(epoch from now() - min(handled_at)), 0)::float8 from subscriptions.inbox"
            )
        self.oldest.set(oldest)
        self.dead_letters.set(dead_letters)
        for row in feedback:
            self.feedback.labels(row["kind"]).set(row["said"])
        people = {row["state"]: row["people"] for row in states}
        for state in SubscriberState:
            self.subscribers.labels(state).set(people.get(state, 0))
        self.topic_subscribers.clear()  # a topic that nobody has any more is in no row
        for row in topics:
            self.topic_subscribers.labels(row["topic"]).set(row["people"])
        broadcasts = {row["lane"]: row["broadcasts"] for row in expanding}
        for lane in _LANES:
            self.expanding.labels(lane).set(broadcasts.get(lane, 0))

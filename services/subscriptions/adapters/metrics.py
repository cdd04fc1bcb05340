"""Metrics of this service."""

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge

from services.subscriptions.domain.decision import MessageResult
from services.subscriptions.domain.feedback import FeedbackKind
from services.subscriptions.domain.subscriber import SubscriberState
from shared.contracts.message import Lane
from shared.database.metrics import DatabaseCollector
from shared.database.pool import Database
from shared.database.retention import Retention
from shared.notices.configuration import Category, Prices

# Outcomes of Meta's reports about recipients, in addition to the results of messages.
UNDELIVERABLE = ("refused", "stopped_marketing")
_NOTICE_RESULTS = ("accepted", "withdrawn", "repeated", "rejected", "checked")
_SUBSCRIBERS = "select state, count(*) from subscriptions.subscriber group by state"
# Unsubscribed people have no topics, so this reads one index only.
_TOPIC_SUBSCRIBERS = "select topic, count(*) from subscriptions.subscription group by topic"
_EXPANDING = "select lane, count(*) from subscriptions.broadcast where state = 'expanding' group by lane"
_FEEDBACK = "select kind, count(*) from subscriptions.feedback group by kind"
_DEAD_LETTERS = "select count(*) from subscriptions.dead_letter"
_OLDEST = "select coalesce(extract(epoch from now() - min(handled_at)), 0)::float8 from subscriptions.inbox"


class Metrics:
    """Metrics of this service: counters count what this replica did, gauges are read from the database."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"kreisfunk_subscriptions_{name}", text, labels, registry=registry)

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"kreisfunk_subscriptions_{name}", text, labels, registry=registry)

        self.subscribers = gauge("subscribers", "People by state", "state")
        self.topic_subscribers = gauge("topic_subscribers", "Subscribers of each topic", "topic")
        self.message_price = gauge("message_price_euros", "Meta's price of a message, as configured", "category")
        self.expanding = gauge("expanding", "Broadcasts whose audience is being read", "lane")
        self.inbound = counter(
            "inbound", "Citizens' messages, and Meta's reports about recipients, by outcome", "outcome"
        )
        self.notices = counter("notices", "Notices by result", "result")
        self.expanded = counter("expanded_recipients", "Recipients handed to the dispatcher")
        self.retention = Retention("subscriptions", registry)
        self.oldest = gauge("oldest_inbox_seconds", "Age of the oldest handled message; stays below nine days")
        self.dead_letters = gauge("dead_letters", "Citizens' messages that could not be handled, encrypted; normally 0")
        self.feedback = gauge("feedback", "Stored feedback", "kind")
        self._database = DatabaseCollector()
        registry.register(self._database)
        for outcome in (*MessageResult, *UNDELIVERABLE):
            self.inbound.labels(outcome)
        for result in _NOTICE_RESULTS:
            self.notices.labels(result)
        # Gauge, counting statement, and labels that are exported even with a count of 0.
        self._counted: tuple[tuple[Gauge, str, Iterable[str]], ...] = (
            (self.subscribers, _SUBSCRIBERS, SubscriberState),
            (self.topic_subscribers, _TOPIC_SUBSCRIBERS, ()),
            (self.expanding, _EXPANDING, (Lane.URGENT, Lane.BULK)),
            (self.feedback, _FEEDBACK, FeedbackKind),
        )
        for gauge_metric, _, labels in self._counted:
            _show_counts(gauge_metric, dict.fromkeys(labels, 0))

    def show_prices(self, prices: Prices) -> None:
        """Export the prices that are configured; Meta bills an answer (service) like a utility message."""
        for name, category in (*((category, category) for category in Category), ("service", Category.UTILITY)):
            if (price := prices.get_price(category)) is not None:
                self.message_price.labels(name).set(float(price))

    async def refresh(self, database: Database) -> None:
        """Read the gauges from the database. Raises DatabaseUnavailable."""
        async with database.connection() as connection:
            for gauge, statement, labels in self._counted:
                counts = {label: count for label, count in await connection.fetch(statement)}
                _show_counts(gauge, dict.fromkeys(labels, 0) | counts)
            self.dead_letters.set(await connection.fetchval(_DEAD_LETTERS))
            self.oldest.set(await connection.fetchval(_OLDEST))
            await self._database.refresh(connection)


def _show_counts(gauge: Gauge, counts: Mapping[str, int]) -> None:
    gauge.clear()  # a topic without subscribers is in no row
    for label, count in counts.items():
        gauge.labels(label).set(count)

"""Metrics of the notices API; labels are our own routes, statuses and types, never client input."""

from prometheus_client import CollectorRegistry, Counter

from shared.contracts.envelope import MESSAGES
from shared.notices.cloudevents import NOTICE_TYPES
from shared.runtime.request_metrics import RequestMetrics

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)


class NoticesApiMetrics(RequestMetrics):
    """Prometheus metrics of the server and of its handlers."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__("notices_api", registry, buckets=_SECONDS)
        self._refused = Counter(
            "kreisfunk_notices_api_refused_total",
            "Requests refused for a wrong token, or for the rate of a token or an address",
            ["reason"],
            registry=registry,
        )
        self._stored = Counter(
            "kreisfunk_notices_api_notices_total",
            "Notice events that the broker confirmed",
            ["kind"],
            registry=registry,
        )
        for reason in ("token", "rate"):
            self._refused.labels(reason)
        for message_type in NOTICE_TYPES.values():
            self._stored.labels(message_type.KEY)

    def count_refused(self, reason: str) -> None:
        self._refused.labels(reason).inc()

    def count_stored(self, event_type: str) -> None:
        self._stored.labels(MESSAGES[event_type].KEY).inc()

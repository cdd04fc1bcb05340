"""Metrics of the notices API; labels are our own routes, statuses and types, never client input."""

from prometheus_client import CollectorRegistry, Counter, Histogram

from shared.contracts.envelope import MESSAGES
from shared.contracts.notices import NoticePublished, NoticeUpdated, NoticeWithdrawn

NO_ROUTE = "unknown"
_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)


class NoticesApiMetrics:
    """Prometheus metrics of the server and of its handlers."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "kreisfunk_notices_api_requests_total", "Requests by path and status", ["path", "status"], registry=registry
        )
        self._seconds = Histogram(
            "kreisfunk_notices_api_request_seconds",
            "From request to answer",
            ["path"],
            buckets=_SECONDS,
            registry=registry,
        )
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
        for kind in (NoticePublished, NoticeUpdated, NoticeWithdrawn):
            self._stored.labels(kind.KEY)

    def observe_request(self, path: str, status: int, seconds: float) -> None:
        """Record a request; `path` is that of the route, so that there are few label values."""
        self._requests.labels(path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def count_unparsed(self, status: int) -> None:
        """Count the answer to a request that reached no route."""
        self._requests.labels(NO_ROUTE, str(status)).inc()

    def count_refused(self, reason: str) -> None:
        self._refused.labels(reason).inc()

    def count_stored(self, event_type: str) -> None:
        self._stored.labels(MESSAGES[event_type].KEY).inc()

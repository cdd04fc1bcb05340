"""Metrics of the requests to an HTTP port; labels are our own routes and statuses, never a client's input."""

from collections.abc import Sequence

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Histogram

NO_ROUTE = "unknown"


def get_route_path(request: web.Request) -> str:
    """Return the path of the request's route with parameter names instead of values."""
    resource = request.match_info.route.resource
    return resource.canonical if resource else NO_ROUTE


class RequestMetrics:
    """Number and duration of a port's requests."""

    def __init__(self, port: str, registry: CollectorRegistry, *, buckets: Sequence[float]) -> None:
        total, seconds = f"kreisfunk_{port}_requests_total", f"kreisfunk_{port}_request_seconds"
        self._requests = Counter(total, "Requests by path and status", ["path", "status"], registry=registry)
        self._seconds = Histogram(seconds, "Time from request to answer", ["path"], buckets=buckets, registry=registry)

    def observe_request(self, path: str, status: int, seconds: float) -> None:
        """Record a request; `path` is the route's path, so that there are few label values."""
        self._requests.labels(path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def count_unparsed(self, status: int) -> None:
        """Count the answer to a request that reached no route."""
        self._requests.labels(NO_ROUTE, str(status)).inc()

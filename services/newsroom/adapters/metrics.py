"""Metrics of the newsroom; labels are our own routes, statuses and results, never a visitor's input."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge

from services.newsroom.adapters.publications import COUNT_WAITING
from shared.database.pool import Database
from shared.database.retention import Retention
from shared.runtime.request_metrics import RequestMetrics

_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.5, 1, 2, 5)
PUBLICATION_RESULTS = ("accepted", "rejected", "unanswered")
LOGIN_RESULTS = ("succeeded", "failed", "delayed")


class NewsroomMetrics(RequestMetrics):
    """Prometheus metrics of pages, logins and publications."""

    def __init__(self, registry: CollectorRegistry) -> None:
        super().__init__("newsroom", registry, buckets=_SECONDS)
        self._logins = Counter("kreisfunk_newsroom_logins_total", "Logins by result", ["result"], registry=registry)
        self._publications = Counter(
            "kreisfunk_newsroom_publications_total",
            "Notices sent to the notices API, by its answer; unanswered ones are sent again",
            ["result"],
            registry=registry,
        )
        self.retention = Retention("newsroom", registry)
        for result in LOGIN_RESULTS:
            self._logins.labels(result)
        self._archive_age = Gauge(
            "kreisfunk_newsroom_archive_age_seconds",
            "Age of what the public archive shows: 2 to 3 s, more while the database is unavailable",
            registry=registry,
        )
        for result in PUBLICATION_RESULTS:
            self._publications.labels(result)
        self._outbox_waiting = Gauge(
            "kreisfunk_newsroom_outbox_waiting", "Notices that the notices API has not answered yet", registry=registry
        )
        self._outbox_oldest = Gauge(
            "kreisfunk_newsroom_outbox_oldest_seconds", "Wait of the oldest of them; 0 if none", registry=registry
        )

    def count_publication(self, result: str) -> None:
        self._publications.labels(result).inc()

    async def refresh(self, database: Database) -> None:
        """Read the gauges of the outbox from the database. Raises DatabaseUnavailable."""
        row = await database.fetchrow(COUNT_WAITING)
        self._outbox_waiting.set(row["waiting"])
        self._outbox_oldest.set(row["oldest_seconds"])

    def count_login(self, result: str) -> None:
        self._logins.labels(result).inc()

    def watch_archive(self, measure_age: Callable[[], float]) -> None:
        """Export the age of the archive, measured at each scrape."""
        self._archive_age.set_function(measure_age)

"""Metrics of feeds and warnings."""

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge

from services.feeds.polling import PollResult


class Metrics:
    """Metrics; labels are configured names of origins, and fixed words."""

    def __init__(self, registry: CollectorRegistry, interval_seconds: Mapping[str, float] | None = None) -> None:
        self._polls = Counter(
            "kreisfunk_feeds_polls",
            "Polls of a feed or of alerts; all results but new, unchanged and must_wait (postponed) are failures",
            ["name", "result"],
            registry=registry,
        )
        self._entries = Counter(
            "kreisfunk_feeds_entries",
            "Entries and alerts by outcome",
            ["name", "outcome"],
            registry=registry,
        )
        self._last_success = Gauge(
            "kreisfunk_feeds_last_success_timestamp_seconds",
            "Time of the last successful poll, initially that of the start of the service",
            ["name"],
            registry=registry,
        )
        interval = Gauge(
            "kreisfunk_feeds_interval_seconds", "Configured time between two polls", ["name"], registry=registry
        )
        for name, seconds in (interval_seconds or {}).items():
            interval.labels(name).set(seconds)
            self._last_success.labels(name).set_to_current_time()  # so that failing from the start raises the alert
        self._refused = Gauge(
            "kreisfunk_feeds_refused",
            "Notices that Kreisfunk rejected and nobody has published or dropped since; `kreisfunk feeds drafts list` "
            "has the reasons",
            registry=registry,
        )

    def observe_refused(self, count: Callable[[], float]) -> None:
        """Count the rejected notices whenever the metrics are read."""
        self._refused.set_function(count)

    def count_poll(self, poll: PollResult) -> None:
        self._polls.labels(poll.name, poll.result).inc()
        for outcome, number in poll.counts.items():
            self._entries.labels(poll.name, outcome).inc(number)
        if poll.succeeded:
            self._last_success.labels(poll.name).set_to_current_time()

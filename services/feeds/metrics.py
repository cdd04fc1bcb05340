"""Metrics of feeds and warnings."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge

from services.feeds.polling import PollResult


class Metrics:
    """Metrics; labels are names of origins from the configuration and a fixed set of words."""

    def __init__(self, registry: CollectorRegistry, every_seconds: Mapping[str, float] | None = None) -> None:
        self._polls = Counter(
            "kreisfunk_feeds_polls",
            "Polls of a feed or of alerts; every result but new, unchanged and must_wait (put off) is a failure",
            ["name", "result"],
            registry=registry,
        )
        self._entries = Counter(
            "kreisfunk_feeds_entries",
            "Entries and alerts, by what became of them",
            ["name", "outcome"],
            registry=registry,
        )
        self._last = Gauge(
            "kreisfunk_feeds_last_success_timestamp_seconds",
            "When it was last read; before the first time, when the service started",
            ["name"],
            registry=registry,
        )
        every = Gauge(
            "kreisfunk_feeds_interval_seconds", "Time between two reads, as configured", ["name"], registry=registry
        )
        for name, seconds in (every_seconds or {}).items():
            every.labels(name).set(seconds)
            self._last.labels(name).set_to_current_time()  # what cannot be read from the start must be missed, too
        self._rejected = Counter(
            "kreisfunk_feeds_rejected",
            "Published notices that Kreisfunk rejected; `kreisfunk feeds drafts list` has the reasons",
            ["name"],
            registry=registry,
        )

    def count_rejected(self, name: str, number: int) -> None:
        self._rejected.labels(name).inc(number)

    def count_poll(self, poll: PollResult) -> None:
        self._polls.labels(poll.name, poll.result).inc()
        for outcome, number in poll.counts.items():
            self._entries.labels(poll.name, outcome).inc(number)
        if poll.succeeded:
            self._last.labels(poll.name).set_to_current_time()

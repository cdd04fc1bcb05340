"""Metrics that alerts of feeds read."""

import time

from prometheus_client import CollectorRegistry

from services.feeds.metrics import Metrics
from services.feeds.polling import PollResult


def test_a_feed_that_was_never_read_is_missed_from_the_start() -> None:
    started, registry = time.time(), CollectorRegistry()
    metrics = Metrics(registry, {"presse": 21_600})
    metrics.count_poll(PollResult("presse", "status_404"))
    last = registry.get_sample_value("kreisfunk_feeds_last_success_timestamp_seconds", {"name": "presse"})
    assert last is not None
    assert started <= last <= time.time()
    every = registry.get_sample_value("kreisfunk_feeds_interval_seconds", {"name": "presse"})
    assert every == 21_600, "whoever is read so rarely is not missed after two hours"

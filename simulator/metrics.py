"""Metrics, computed from the message log on each scrape, so that the hot path pays nothing for counting."""

from collections.abc import Iterable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from simulator.account import MessageLog
from simulator.citizens import Citizens
from simulator.webhooks.notifier import Notifier


@dataclass(kw_only=True, eq=False)
class SimulatorCollector(Collector):
    """Collector of all metrics of the simulator; no label contains personal data."""

    message_log: MessageLog
    citizens: Citizens
    notifier: Notifier

    def collect(self) -> Iterable[Metric]:
        account, outbox, totals = self.message_log, self.notifier.outbox, self.message_log.totals
        rejected = CounterMetricFamily(
            "simulator_messages_rejected", "Requests refused, by Graph code", labels=["code"]
        )
        for code, count in account.rejected.items():
            rejected.add_metric([str(code)], count)
        yield rejected
        yield _build_counter("messages_attempted", "Requests to the messages endpoint", totals["attempted"])
        yield _build_counter("messages_accepted", "Messages accepted", totals["accepted"])
        yield _build_counter("messages_inbound", "Messages that citizens wrote", totals["inbound"])
        yield _build_counter("webhook_updates_sent", "Webhook updates taken by the business", outbox.sent)
        yield _build_counter("webhook_posts", "Webhook posts answered with 200", outbox.posts)
        yield _build_counter("webhook_retries", "Webhook posts that had to be repeated", outbox.retried)
        yield _build_gauge("messages_delivered", "Messages that reached a phone", totals["delivered"])
        yield _build_gauge("messages_read", "Messages that were read", totals["read"])
        yield _build_gauge("messages_failed", "Messages that failed after acceptance", totals["failed"])
        yield _build_gauge("messages_peak", "Most messages accepted within one second", account.accepted_window.peak)
        yield _build_gauge("webhook_updates_pending", "Updates not taken yet", self.notifier.pending)
        yield _build_gauge("citizens", "Phones", len(self.citizens))


def build_registry(collector: SimulatorCollector) -> CollectorRegistry:
    """Return a separate registry, so that several simulators can run in one process."""
    own = CollectorRegistry()
    own.register(collector)
    return own


def _build_counter(name: str, text: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(f"simulator_{name}", text, value=value)


def _build_gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"simulator_{name}", text, value=value)

"""Metrics, computed from the message log on each scrape, so that the hot path pays nothing for counting."""

from collections.abc import Iterable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from simulator.parts import SimulatorParts


@dataclass(eq=False)
class SimulatorCollector(Collector):
    """Collector of all metrics of the simulator; no label contains personal data."""

    parts: SimulatorParts

    def collect(self) -> Iterable[Metric]:
        log, notifier, outbox = self.parts.message_log, self.parts.notifier, self.parts.notifier.outbox
        totals, labels = log.totals, ["code"]
        rejected = CounterMetricFamily("simulator_messages_rejected", "Requests refused, by Graph code", labels=labels)
        for code, count in log.rejected.items():
            rejected.add_metric([str(code)], count)
        yield rejected
        counters = {
            "messages_attempted": ("Requests to the messages endpoint", totals["attempted"]),
            "messages_accepted": ("Messages accepted", totals["accepted"]),
            "messages_inbound": ("Messages that citizens wrote", totals["inbound"]),
            "webhook_updates_sent": ("Webhook updates accepted by the business", outbox.sent),
            "webhook_posts": ("Webhook posts answered with 200", outbox.posts),
            "webhook_retries": ("Webhook posts that were retried", outbox.retried),
        }
        gauges = {
            "messages_delivered": ("Messages that reached a phone", totals["delivered"]),
            "messages_read": ("Messages that were read", totals["read"]),
            "messages_failed": ("Messages that failed after acceptance", totals["failed"]),
            "messages_peak": ("Maximum of messages accepted within one second", log.accepted_window.peak),
            "webhook_updates_pending": ("Updates not accepted yet", notifier.pending),
            "citizens": ("Phones", len(self.parts.citizens)),
        }
        for family, metrics in ((CounterMetricFamily, counters), (GaugeMetricFamily, gauges)):
            for name, (text, value) in metrics.items():
                yield family(f"simulator_{name}", text, value=value)


def build_registry(parts: SimulatorParts) -> CollectorRegistry:
    """Return a separate registry, so that several simulators can run in one process."""
    registry = CollectorRegistry()
    registry.register(SimulatorCollector(parts))
    return registry

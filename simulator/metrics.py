"""The metrics, read from the account when they are asked for: counting costs the hot path nothing."""

from collections.abc import Iterable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from simulator.account import Account
from simulator.citizens import Citizens
from simulator.webhooks.notifier import Notifier


@dataclass(kw_only=True, eq=False)
class AccountCollector(Collector):
    """Everything the simulator counts; no label contains anything about a person."""

    account: Account
    citizens: Citizens
    notifier: Notifier

    def collect(self) -> Iterable[Metric]:
        account, outbox = self.account, self.notifier.outbox
        rejected = CounterMetricFamily(
            "simulator_messages_rejected", "Requests refused, by Graph code", labels=["code"]
        )
        for code, count in account.rejected.items():
            rejected.add_metric([str(code)], count)
        yield rejected
        yield _counter("messages_attempted", "Requests to the messages endpoint", account.attempted)
        yield _counter("messages_accepted", "Messages accepted", len(account.messages))
        yield _counter("messages_inbound", "Messages that citizens wrote", account.inbound)
        yield _counter("webhook_updates_sent", "Webhook updates taken by the business", outbox.sent)
        yield _counter("webhook_posts", "Webhook posts answered with 200", outbox.posts)
        yield _counter("webhook_retries", "Webhook posts that had to be repeated", outbox.retried)
        yield _gauge("messages_delivered", "Messages that reached a phone", account.delivered)
        yield _gauge("messages_read", "Messages that were read", account.read)
        yield _gauge("messages_failed", "Messages that failed after acceptance", account.failed)
        yield _gauge("messages_peak", "Most messages accepted within one second", account.accepted_window.peak)
        yield _gauge("webhook_updates_pending", "Updates not taken yet", self.notifier.pending)
        yield _gauge("citizens", "Phones", len(self.citizens))


def registry(collector: AccountCollector) -> CollectorRegistry:
    """A registry of its own, so that several simulators can live in one process."""
    own = CollectorRegistry()
    own.register(collector)
    return own


def _counter(name: str, text: str, value: float) -> CounterMetricFamily:
    return CounterMetricFamily(f"simulator_{name}", text, value=value)


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"simulator_{name}", text, value=value)

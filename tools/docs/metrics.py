"""Catalogue of the metrics that all services register, and docs/metrics.md."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from services.dispatcher.adapters.metrics import Metrics as DispatcherMetrics
from services.feeds.metrics import Metrics as FeedsMetrics
from services.ingress.notices.metrics import NoticesApiMetrics
from services.ingress.webhook.metrics import Metrics as IngressMetrics
from services.newsroom.adapters.metrics import NewsroomMetrics
from services.subscriptions.adapters.metrics import Metrics as SubscriptionsMetrics
from shared.runtime.probes import Readiness
from tools.docs.tables import format_code

ALL = "all processes"
SERVICES: Mapping[str, Callable[[CollectorRegistry], object]] = {
    ALL: Readiness({}).register_in,
    "ingress": IngressMetrics,
    "notices": NoticesApiMetrics,
    "subscriptions": SubscriptionsMetrics,
    "dispatcher": lambda registry: DispatcherMetrics(registry, limit=80),
    "newsroom": NewsroomMetrics,
    "feeds": FeedsMetrics,
}
# Labels whose values are not in the code, by metric and label or by label.
OPEN_LABELS: Mapping[str, str] = {
    "check": "what the process needs",
    "kind": "[kind of data](datenschutz.md)",
    "kreisfunk_feeds_entries_total.outcome": "`delivered`, `marked`, `broken`, …",
    "kreisfunk_feeds_polls_total.result": "`new`, `unchanged`, or the failure",
    "name": "`feeds.toml`",
    "path": "our routes",
    "status": "HTTP status",
    "topic": "`county.toml`",
    "kreisfunk_subscriptions_message_price_euros.category": "`marketing`, `utility`, `service`",
}
# Units that the end of a name does not say.
UNITS = (
    ("_timestamp_seconds", "Unix time"),
    ("_rate_permitted", "1/second"),
    ("_rate_limit", "1/second"),
)
MAX_SHOWN_VALUES = 12
_SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
_NAME = re.compile(r"\bkreisfunk_[a-z]+_[a-z_]+|\bkreisfunk_ready\b")
_INTRODUCTION = """# Metrics

Written by `python -m tools.docs.generate` from the metrics that the services register. Dashboards and alerts:
[monitoring.md](guides/monitoring.md).

Metrics are counters if their name ends in `_total`, else gauges unless it says histogram. Counters start with the
process: use `rate` or `increase`. Values from the database are the same in every replica: use `max`, not `sum`. No
label says anything about a person. Each process also exports its CPU time, memory, open files and start (`process_…`).
RabbitMQ has its own metrics; `rabbitmq_detailed_queue_messages` shows each queue by name."""


@dataclass(frozen=True, kw_only=True)
class CataloguedMetric:
    """A metric as registered; a label without values gets them while the service runs."""

    name: str
    kind: str
    text: str
    labels: Mapping[str, tuple[str, ...]]

    @property
    def unit(self) -> str:
        if self.kind == "stateset":
            return "0 or 1"
        base = self.name.removesuffix("_total")
        return next((unit for suffix, unit in UNITS if base.endswith(suffix)), "number")

    @property
    def series(self) -> Iterator[str]:
        base = self.name.removesuffix("_total")
        yield from (base + suffix for suffix in _SUFFIXES.get(self.kind, ("",)))


class _RecordingRegistry(CollectorRegistry):
    """Registry that remembers collectors, since a metric without samples does not reveal its labels."""

    def __init__(self) -> None:
        super().__init__()
        self.collectors: list[Collector] = []

    def register(self, collector: Collector) -> None:
        self.collectors.append(collector)
        super().register(collector)


def list_catalogue() -> Mapping[str, list[CataloguedMetric]]:
    return {service: list(_list_metrics(create)) for service, create in SERVICES.items()}


def list_series() -> set[str]:
    """Return the names of all series, as queries use them."""
    return {series for metrics in list_catalogue().values() for metric in metrics for series in metric.series}


def find_names(expressions: str) -> set[str]:
    """Return the names of our metrics in PromQL, in rules or in prose."""
    return set(_NAME.findall(expressions))


def _list_metrics(create: Callable[[CollectorRegistry], object]) -> Iterator[CataloguedMetric]:
    registry = _RecordingRegistry()
    create(registry)
    for collector in registry.collectors:
        names: Iterable[str] = getattr(collector, "_labelnames", ())
        for family in collector.collect():
            yield CataloguedMetric(
                name=family.name + ("_total" if family.type == "counter" else ""),
                kind=family.type,
                text=family.documentation,
                labels=_collect_labels(names, family),
            )


def _collect_labels(names: Iterable[str], family: Metric) -> Mapping[str, tuple[str, ...]]:
    values: dict[str, dict[str, None]] = {name: {} for name in names}
    for sample in family.samples:
        for name, value in sample.labels.items():
            if name != "le":
                values.setdefault(name, {})[value] = None
    return {name: tuple(unique) for name, unique in values.items()}


def find_open_label(metric: CataloguedMetric, label: str) -> str:
    """Return where the values of a label come from; empty if unknown."""
    return OPEN_LABELS.get(f"{metric.name}.{label}") or OPEN_LABELS.get(label, "")


def render_metrics_page() -> str:
    parts = [_INTRODUCTION]
    for service, metrics in list_catalogue().items():
        parts += [f"## {service}", "\n".join(map(_format_metric, metrics))]
    return "\n\n".join(parts) + "\n"


def _format_metric(metric: CataloguedMetric) -> str:
    kind = {"histogram": "histogram"}.get(metric.kind, "")
    unit = "" if metric.unit in ("number", "0 or 1") else metric.unit
    labels = (f"`{label}`: {_format_values(metric, label)}" for label in metric.labels)
    details = "; ".join(filter(None, (kind, unit, *labels)))
    return f"- `{metric.name}`{f' ({details})' if details else ''}: {metric.text}"


def _format_values(metric: CataloguedMetric, label: str) -> str:
    values = metric.labels[label]
    if not values:
        return find_open_label(metric, label)
    more = f" and {len(values) - MAX_SHOWN_VALUES} more" if len(values) > MAX_SHOWN_VALUES else ""
    return format_code(values[:MAX_SHOWN_VALUES]) + more

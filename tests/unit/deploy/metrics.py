"""The names of all series that our processes have."""

import re
from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from services.dispatcher.adapters.metrics import Metrics as DispatcherMetrics
from services.feeds.metrics import Metrics as FeedsMetrics
from services.ingress.notices.metrics import NoticesApiMetrics
from services.ingress.webhook.metrics import Metrics as IngressMetrics
from services.newsroom.adapters.metrics import NewsroomMetrics
from services.subscriptions.adapters.metrics import Metrics as SubscriptionsMetrics

_SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
_NAME = re.compile(r"\bkreisfunk_[a-z]+_[a-z_]+")


def list_metrics() -> set[str]:
    registry = CollectorRegistry()
    IngressMetrics(registry)
    NoticesApiMetrics(registry)
    SubscriptionsMetrics(registry)
    DispatcherMetrics(registry, limit=80)
    FeedsMetrics(registry)
    NewsroomMetrics(registry)
    return set(_list_series(registry.collect()))


def find_names(expressions: str) -> set[str]:
    """The names of ours in PromQL, in rules or in prose."""
    return set(_NAME.findall(expressions))


def _list_series(families: Iterable[Metric]) -> Iterator[str]:
    for family in families:
        yield from (family.name + suffix for suffix in _SUFFIXES.get(family.type, ("",)))

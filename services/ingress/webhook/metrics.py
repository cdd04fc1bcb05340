"""Metrics of the ingress; labels come from enums and from the types of the contracts."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram

from services.ingress.webhook.events import GROUP_TYPES, KNOWN_LABELS, OTHER_LABEL, Event, Ignored, ProblemKind
from services.ingress.webhook.receiver import WebhookResult

EVENT_KINDS: Mapping[type[Event], str] = {event_type: group.KEY for event_type, group in GROUP_TYPES.items()}
OTHER_STATUSES = (200, 400, 403, 404, 405, 417, 500)
_GROUP_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500)
_CONFIRM_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2)


class Metrics:
    """Metrics of the ingress; every series exists from the start, so that no rate begins with a gap."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"kreisfunk_ingress_{name}_total", text, labels, registry=registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
            return Histogram(f"kreisfunk_ingress_{name}", text, ["kind"], buckets=buckets, registry=registry)

        webhooks = counter(
            "webhooks",
            "Webhooks by result; unavailable: the broker did not confirm, so Meta sends the webhook again",
            "result",
        )
        # Looked up once, since every webhook is counted.
        self._webhooks = {result: webhooks.labels(result) for result in WebhookResult}
        self._others = counter("other_requests", "Requests other than webhooks, by status of the response", "status")
        self._events = counter("events", "Events that the broker confirmed", "kind")
        self._ignored = counter("ignored", "Parts of webhooks not for us", "reason")
        self._labels = counter(
            "events_by_type",
            "Events that the broker confirmed, by Meta's own type (or status, preference, field)",
            "kind",
            "type",
        )
        self._problems = counter("problems", "Parts not parsed; each is in quarantine", "kind")
        self._sizes = histogram("group_size", "Events in one AMQP message", _GROUP_SIZES)
        self._confirms = histogram(
            "confirm_seconds", "From publishing a group to the broker's confirm", _CONFIRM_SECONDS
        )
        self._create_series()

    def count_webhook(self, result: WebhookResult) -> None:
        self._webhooks[result].inc()

    def count_other_request(self, status: int) -> None:
        self._others.labels(str(status)).inc()

    def count_ignored(self, reason: Ignored) -> None:
        self._ignored.labels(reason).inc()

    def count_problem(self, kind: ProblemKind) -> None:
        self._problems.labels(kind).inc()

    def record_confirm(self, event_type: type[Event], size: int, seconds: float) -> None:
        """Record that a group of `size` events was confirmed `seconds` after publishing."""
        self._events.labels(EVENT_KINDS[event_type]).inc(size)
        self._sizes.labels(EVENT_KINDS[event_type]).observe(size)
        self._confirms.labels(EVENT_KINDS[event_type]).observe(seconds)

    def count_events_by_label(self, event_type: type[Event], counts: Mapping[str, int]) -> None:
        """Count the labels of confirmed events; all unknown ones share one label."""
        for label, count in counts.items():
            known = label if label in KNOWN_LABELS[event_type].known else OTHER_LABEL
            self._labels.labels(EVENT_KINDS[event_type], known).inc(count)

    def _create_series(self) -> None:
        for status in OTHER_STATUSES:
            self._others.labels(str(status))
        for reason in Ignored:
            self._ignored.labels(reason)
        for problem in ProblemKind:
            self._problems.labels(problem)
        for event_type, labels in KNOWN_LABELS.items():
            for label in (*sorted(labels.known), OTHER_LABEL):
                self._labels.labels(EVENT_KINDS[event_type], label)
        for kind in EVENT_KINDS.values():
            self._events.labels(kind)
            self._sizes.labels(kind)
            self._confirms.labels(kind)

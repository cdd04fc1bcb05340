"""Every metric of the dispatcher."""

from collections.abc import Mapping
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Enum, Gauge, Histogram

from services.dispatcher.domain.answers import Accepted, Answer, Expired, NoAnswer, Refused
from services.dispatcher.domain.errors import Remedy, rule_for
from services.dispatcher.domain.news import News
from services.dispatcher.domain.pacing import Lease
from services.dispatcher.ports import AppliedStatuses, Claim, Outstanding
from shared.contracts.message import Lane

_PREFIX = "kreisfunk_dispatcher"
_SEND_BUCKETS = (0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30)
_WAY_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200)
_RESULTS = ("accepted", "unknown", "not_sent", "expired", *(remedy.value for remedy in Remedy))
_FIELDS = frozenset(
    {
        "account_alerts",
        "account_review_update",
        "account_update",
        "business_capability_update",
        "message_template_components_update",
        "message_template_quality_update",
        "message_template_status_update",
        "phone_number_name_update",
        "phone_number_quality_update",
        "security",
        "template_category_update",
    }
)


class Metrics:
    """Implements the handlers' Meter. Labels are words of our own code, never what somebody sent us."""

    def __init__(self, registry: CollectorRegistry, *, limit: float, max_requests: int = 0) -> None:
        self._registry = registry
        self.sends = self._counter("sends", "Attempts to send, by lane and result", "lane", "result")
        self.send_seconds = self._histogram("send_seconds", "From request to answer", _SEND_BUCKETS)
        self.way_seconds = self._histogram(
            "publish_to_accepted_seconds",
            "From the notice's publication, or the reply's decision, to Meta's acceptance",
            _WAY_BUCKETS,
            "lane",
        )
        self.status_rows = self._counter("statuses", "Statuses by what they did", "result")
        self.leased_slots = self._counter("leased_slots", "Slots reserved")
        self.lost_slots = self._counter("lost_slots", "Slots that nothing was sent at, by reason", "reason")
        self.shifts = self._counter("late_use_seconds", "How late the latest slot of each lease was")
        self.lease_wait = self._histogram("lease_wait_seconds", "Wait for a lease's moment", _SEND_BUCKETS)
        self.rate_permitted = self._gauge("rate_permitted", "Messages a second that are permitted now")
        self.rate_limit = self._gauge("rate_limit", "Meta's limit in messages a second")
        self.held = self._gauge("held", "1 while the sender is held: one message in 30 s is tried, nothing else sent")
        self.unreachable_seconds = self._gauge(
            "meta_unreachable_seconds", "For how long this replica has had no word of Meta's; 0 while Meta answers"
        )
        self.bound = Enum(
            f"{_PREFIX}_send_bound_by",
            "What bounds sending: the rate, requests in flight, nothing to send, or a pause",
            states=["rate", "requests", "work", "pause"],
            registry=registry,
        )
        self.max_requests = self._gauge("max_requests_in_flight", "Requests to Meta that may be in flight at once")
        self.lane_oldest = self._gauge(
            "lane_oldest_seconds", "How long the first of a lane has waited, on the broker or since it was due", "lane"
        )
        self.refused_rows = self._counter(
            "refused_rows", "Results and statuses that the database refused, each left out alone", "kind"
        )
        self.unknown_outcomes = self._counter(
            "unknown_outcomes", "Claims without an answer: found, sent again", "event"
        )
        self.waiting = self._gauge("waiting_deliveries", "Deliveries not yet accepted or ended, by lane", "lane")
        self.unaccounted = self._gauge("unaccounted", "Recipients of ended broadcasts without a row in the ledger; 0")
        self.unknown_age = self._gauge("unknown_oldest_seconds", "Age of the oldest unknown outcome; 0 if none")
        self.account_events = self._counter("account_events", "Account webhooks by field", "field")
        self.account_news = self._counter("account_news", "What Meta said of the account, each once", "news")
        self.retention_at = self._gauge(
            "retention_at_seconds", "When retention had last forgotten all it should, in seconds since 1970"
        )
        self.kept_oldest = self._gauge("kept_oldest_seconds", "Age of the oldest that is kept", "kind")
        self.forgotten = self._counter("forgotten_rows", "What retention ended, by kind", "kind")
        # Looked up once: finding a child by its labels costs more than counting.
        self._sends = {(lane, result): self.sends.labels(lane.value, result) for lane in Lane for result in _RESULTS}
        self._ways = {lane: self.way_seconds.labels(lane.value) for lane in Lane}
        self.rate_limit.set(limit)
        self.max_requests.set(max_requests)
        self._show_from_the_beginning()

    def _show_from_the_beginning(self) -> None:
        """Let the first of each be an increase."""
        for lane in Lane:
            self.waiting.labels(lane.value).set(0)
        for counter, labels in (
            (self.refused_rows, ("result", "status")),
            (self.lost_slots, ("late", "connecting", "nothing", "pause")),
            (self.account_news, tuple(News)),
            (self.status_rows, ("changed", "unmatched")),
        ):
            for label in labels:
                counter.labels(label)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"{_PREFIX}_{name}", text, labels, registry=self._registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"{_PREFIX}_{name}", text, labels, registry=self._registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"{_PREFIX}_{name}", text, labels, buckets=buckets, registry=self._registry)

    def sent(self, claim: Claim, answer: Answer, seconds: float, now: datetime) -> None:
        self._sends[claim.lane, _result(answer)].inc()
        if isinstance(answer, Accepted):
            self._ways[claim.lane].observe(max(0.0, (now - claim.asked_at).total_seconds()))
        if isinstance(answer, Accepted | Refused):
            self.send_seconds.observe(seconds)

    def statuses(self, applied: AppliedStatuses) -> None:
        self.status_rows.labels("changed").inc(applied.changed)
        self.status_rows.labels("unmatched").inc(applied.unmatched)

    def leased(self, lease: Lease, wait_seconds: float) -> None:
        self.leased_slots.inc(lease.slots)
        self.lease_wait.observe(wait_seconds)
        self.rate_permitted.set(0 if lease.held else 1 / lease.spacing)

    def lost(self, reason: str) -> None:
        self.lost_slots.labels(reason).inc()

    def shifted(self, seconds: float) -> None:
        self.shifts.inc(seconds)

    def unknown(self, marked: int, released: int) -> None:
        self.unknown_outcomes.labels("found").inc(marked)
        self.unknown_outcomes.labels("sent_again").inc(released)

    def outstanding(self, outstanding: Outstanding, lane_seconds: Mapping[Lane, float]) -> None:
        for lane in Lane:
            self.waiting.labels(lane.value).set(outstanding.waiting.get(lane, 0))
            self.lane_oldest.labels(lane.value).set(lane_seconds.get(lane, 0.0))
        self.held.set(1 if outstanding.held else 0)
        if outstanding.held:
            self.rate_permitted.set(0)
        self.unaccounted.set(outstanding.unaccounted)
        self.unknown_age.set(outstanding.unknown_seconds)

    def bound_by(self, what: str) -> None:
        self.bound.state(what)

    def unreachable(self, seconds: float) -> None:
        self.unreachable_seconds.set(seconds)

    def unrecorded(self, kind: str) -> None:
        self.refused_rows.labels(kind).inc()

    def show_kept(self, ages: Mapping[str, float]) -> None:
        """After a round of retention."""
        self.retention_at.set_to_current_time()
        for kind, seconds in ages.items():
            self.kept_oldest.labels(kind).set(seconds)

    def count_forgotten(self, kind: str, rows: int) -> None:
        self.forgotten.labels(kind).inc(rows)

    def account_event(self, field: str, news: News | None) -> None:
        self.account_events.labels(field if field in _FIELDS else "other").inc()
        if news is not None:
            self.account_news.labels(news.value).inc()


def _result(answer: Answer) -> str:
    match answer:
        case Accepted():
            return "accepted"
        case Refused():
            return rule_for(answer.code, answer.http_status).remedy.value
        case NoAnswer():
            return "unknown"
        case Expired():
            return "expired"
        case _:
            return "not_sent"

"""Every metric of the dispatcher."""

from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.dispatcher.domain.answers import Accepted, Answer, Expired, NoAnswer, NotSent, Refused
from services.dispatcher.domain.errors import rule_for
from services.dispatcher.domain.pacing import Lease
from services.dispatcher.ports import AppliedStatuses, Claim, Outstanding
from shared.contracts.message import Lane

_SEND_BUCKETS = (0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30)
_WAY_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200)
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

    def __init__(self, registry: CollectorRegistry, *, limit: float) -> None:
        prefix = "kreisfunk_dispatcher"
        self.sends = Counter(
            f"{prefix}_sends", "Attempts to send, by lane and result", ["lane", "result"], registry=registry
        )
        self.send_seconds = Histogram(
            f"{prefix}_send_seconds", "From request to answer", buckets=_SEND_BUCKETS, registry=registry
        )
        self.way_seconds = Histogram(
            f"{prefix}_publish_to_accepted_seconds",
            "From the notice's publication, or the reply's decision, to Meta's acceptance",
            ["lane"],
            buckets=_WAY_BUCKETS,
            registry=registry,
        )
        self.status_rows = Counter(f"{prefix}_statuses", "Statuses by what they did", ["result"], registry=registry)
        self.leased_slots = Counter(f"{prefix}_leased_slots", "Slots reserved", registry=registry)
        self.lease_wait = Histogram(
            f"{prefix}_lease_wait_seconds",
            "Wait for a lease's moment",
            buckets=_SEND_BUCKETS,
            registry=registry,
        )
        self.rate_permitted = Gauge(
            f"{prefix}_rate_permitted", "Messages a second that are permitted now", registry=registry
        )
        self.rate_limit = Gauge(f"{prefix}_rate_limit", "Meta's limit in messages a second", registry=registry)
        self.unknown_outcomes = Counter(
            f"{prefix}_unknown_outcomes",
            "Claims without an answer: found, sent again",
            ["event"],
            registry=registry,
        )
        self.waiting = Gauge(
            f"{prefix}_waiting_deliveries",
            "Deliveries not yet accepted or ended, by lane",
            ["lane"],
            registry=registry,
        )
        self.unaccounted = Gauge(
            f"{prefix}_unaccounted",
            "Recipients of ended broadcasts without a row in the ledger; 0",
            registry=registry,
        )
        self.account_events = Counter(
            f"{prefix}_account_events", "Account webhooks by field", ["field"], registry=registry
        )
        self.rate_limit.set(limit)
        for lane in Lane:
            self.waiting.labels(lane.value).set(0)

    def sent(self, claim: Claim, answer: Answer, seconds: float, now: datetime) -> None:
        self.sends.labels(claim.lane.value, _result(answer)).inc()
        if isinstance(answer, Accepted):
            self.way_seconds.labels(claim.lane.value).observe(max(0.0, (now - claim.asked_at).total_seconds()))
        if isinstance(answer, Accepted | Refused):
            self.send_seconds.observe(seconds)

    def statuses(self, applied: AppliedStatuses) -> None:
        self.status_rows.labels("changed").inc(applied.changed)
        self.status_rows.labels("unmatched").inc(applied.unmatched)

    def leased(self, lease: Lease, wait_seconds: float) -> None:
        self.leased_slots.inc(lease.slots)
        self.lease_wait.observe(wait_seconds)
        self.rate_permitted.set(1 / lease.spacing)

    def unknown(self, marked: int, released: int) -> None:
        self.unknown_outcomes.labels("found").inc(marked)
        self.unknown_outcomes.labels("sent_again").inc(released)

    def outstanding(self, outstanding: Outstanding) -> None:
        for lane in Lane:
            self.waiting.labels(lane.value).set(outstanding.waiting.get(lane, 0))
        self.unaccounted.set(outstanding.unaccounted)

    def account_event(self, field: str) -> None:
        self.account_events.labels(field if field in _FIELDS else "other").inc()


def _result(answer: Answer) -> str:
    match answer:
        case Accepted():
            return "accepted"
        case Refused():
            return rule_for(answer.code, answer.http_status).remedy.value
        case NotSent():
            return "not_sent"
        case NoAnswer():
            return "unknown"
        case Expired():
            return "expired"

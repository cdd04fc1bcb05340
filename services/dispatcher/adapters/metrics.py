"""Metrics of the dispatcher."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Enum, Gauge, Histogram

from services.dispatcher.domain.account import AccountUpdate
from services.dispatcher.domain.errors import ErrorAction, find_error_rule
from services.dispatcher.domain.pacing import Lease
from services.dispatcher.domain.send_results import Accepted, ErrorResponse, Expired, NoResponse, SendResult
from services.dispatcher.ports import Backlog, Claim
from shared.contracts.inbound import ACCOUNT_FIELDS
from shared.contracts.message import Lane

_PREFIX = "kreisfunk_dispatcher"
_SEND_BUCKETS = (0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30)
_WAY_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200)
_RESULTS = ("accepted", "unknown", "not_sent", "expired", *(remedy.value for remedy in ErrorAction))
_WORDS: Mapping[type[SendResult], str] = {Accepted: "accepted", NoResponse: "unknown", Expired: "expired"}
# Labels exported with 0 from the start, so that the first event is an increase.
_SHOWN_FROM_THE_BEGINNING: Mapping[str, Iterable[str]] = {
    "refused_rows": ("result", "status"),
    "send_slots_unused": ("late", "connecting", "nothing", "requests", "pause"),
    "account_updates": AccountUpdate,
    "statuses": ("changed", "unmatched"),
    "unknown_outcomes": ("found", "sent_again"),
}
# Name, help, labels.
_COUNTERS = (
    ("sends", "Attempts to send, by lane and result", "lane", "result"),
    ("statuses", "Statuses by effect", "result"),
    ("send_slots_reserved", "Slots reserved"),
    ("send_slots_unused", "Slots without a message, by reason", "reason"),
    ("send_slot_lateness_seconds", "Lateness of the latest slot of each lease"),
    ("refused_rows", "Results and statuses that the database refused, each left out alone", "kind"),
    ("unknown_outcomes", "Claims without an answer: found, sent again", "event"),
    ("account_events", "Account webhooks by field", "field"),
    ("account_updates", "Changes of the account that Meta reported, each once", "update"),
    ("retention_deleted_rows", "Rows that retention deleted, by kind", "kind"),
)
_GAUGES = (
    ("rate_permitted", "Messages a second that are permitted now"),
    ("rate_limit", "Meta's limit in messages a second"),
    ("sending_paused", "1 while sending is paused (one probe every 30 s)"),
    ("meta_unreachable_seconds", "Seconds since Meta last answered this replica; 0 while it answers"),
    ("replicas_expected", "Configured number of dispatchers"),
    ("max_requests_in_flight", "Requests to Meta that may be in flight at once"),
    ("lane_oldest_seconds", "Age of the oldest in a lane, on the broker or since it was due", "lane"),
    ("waiting_deliveries", "Deliveries not yet accepted or ended, by lane", "lane"),
    ("unaccounted", "Recipients of ended broadcasts without a row in the ledger; 0"),
    ("unknown_oldest_seconds", "Age of the oldest unknown outcome; 0 if none"),
    ("retention_at_seconds", "When retention last completed, in seconds since 1970"),
    ("retention_oldest_age_seconds", "Age of the oldest row kept, by kind", "kind"),
)


class Metrics:
    """Prometheus implementation of the handlers' Meter. Labels are words of our own code, never received data."""

    def __init__(self, registry: CollectorRegistry, *, limit: float, max_requests: int = 0, replicas: int = 1) -> None:
        self._count = {n: Counter(f"{_PREFIX}_{n}", text, labels, registry=registry) for n, text, *labels in _COUNTERS}
        self._show = {n: Gauge(f"{_PREFIX}_{n}", text, labels, registry=registry) for n, text, *labels in _GAUGES}
        self._bound = Enum(
            f"{_PREFIX}_send_bound_by",
            "What bounds sending: the rate, requests in flight, nothing to send, or a pause",
            states=["rate", "requests", "work", "pause"],
            registry=registry,
        )

        def histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(f"{_PREFIX}_{name}", text, labels, buckets=buckets, registry=registry)

        self._send_seconds = histogram("send_seconds", "From request to answer", _SEND_BUCKETS)
        self._lease_wait = histogram("lease_wait_seconds", "Wait for a lease's moment", _SEND_BUCKETS)
        way_text = "From the notice's publication, or the reply's decision, to Meta's acceptance"
        way_seconds = histogram("publish_to_accepted_seconds", way_text, _WAY_BUCKETS, "lane")
        # Looked up once: finding a child by its labels costs more than counting.
        sends = self._count["sends"]
        self._sends = {(lane, result): sends.labels(lane.value, result) for lane in Lane for result in _RESULTS}
        self._ways = {lane: way_seconds.labels(lane.value) for lane in Lane}
        self._show["rate_limit"].set(limit)
        self._show["max_requests_in_flight"].set(max_requests)
        self._show["replicas_expected"].set(replicas)
        for lane in Lane:
            self._show["waiting_deliveries"].labels(lane.value).set(0)
        for name, labels in _SHOWN_FROM_THE_BEGINNING.items():
            for label in labels:
                self._count[name].labels(label)

    def record_send(self, claim: Claim, answer: SendResult, seconds: float, now: datetime) -> None:
        self._sends[claim.lane, _classify_result(answer)].inc()
        if isinstance(answer, Accepted):
            self._ways[claim.lane].observe(max(0.0, (now - claim.asked_at).total_seconds()))
        if isinstance(answer, Accepted | ErrorResponse):
            self._send_seconds.observe(seconds)

    def record_lease(self, lease: Lease, wait_seconds: float) -> None:
        self._count["send_slots_reserved"].inc(lease.slots)
        self._lease_wait.observe(wait_seconds)
        self._show["rate_permitted"].set(0 if lease.paused_reason else 1 / lease.spacing)

    def show_backlog(self, outstanding: Backlog, lane_seconds: Mapping[Lane, float], unreachable: float) -> None:
        self._show["meta_unreachable_seconds"].set(unreachable)
        for lane in Lane:
            self._show["waiting_deliveries"].labels(lane.value).set(outstanding.waiting.get(lane, 0))
            self._show["lane_oldest_seconds"].labels(lane.value).set(lane_seconds.get(lane, 0.0))
        self._show["sending_paused"].set(outstanding.sending_paused)
        if outstanding.sending_paused:
            self._show["rate_permitted"].set(0)
        self._show["unaccounted"].set(outstanding.unaccounted)
        self._show["unknown_oldest_seconds"].set(outstanding.unknown_seconds)

    def count(self, name: str, amount: float = 1, label: str | None = None) -> None:
        counter = self._count[name]
        (counter if label is None else counter.labels(label)).inc(amount)

    def count_deleted(self, kind: str, rows: int) -> None:
        self.count("retention_deleted_rows", rows, kind)

    def show_send_bound(self, what: str) -> None:
        self._bound.state(what)

    def record_retention(self, ages: Mapping[str, float]) -> None:
        """Record a completed run of retention."""
        self._show["retention_at_seconds"].set_to_current_time()
        for kind, seconds in ages.items():
            self._show["retention_oldest_age_seconds"].labels(kind).set(seconds)

    def count_account_event(self, field: str, update: AccountUpdate | None) -> None:
        self._count["account_events"].labels(field if field in ACCOUNT_FIELDS else "other").inc()
        if update is not None:
            self._count["account_updates"].labels(update.value).inc()


def _classify_result(answer: SendResult) -> str:
    if isinstance(answer, ErrorResponse):
        return find_error_rule(answer.code, answer.http_status).action.value
    return _WORDS.get(type(answer), "not_sent")

"""Metrics of the dispatcher."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Enum, Gauge, Histogram

from services.dispatcher.domain.account import AccountUpdate
from services.dispatcher.domain.claims import Claim
from services.dispatcher.domain.errors import ErrorAction
from services.dispatcher.domain.pacing import Lease
from services.dispatcher.domain.progress import Backlog
from services.dispatcher.domain.send_results import Accepted, ErrorResponse, Expired, NoResponse, SendResult
from services.dispatcher.handlers.consumers import BILLED_CATEGORIES
from shared.contracts.inbound import ACCOUNT_FIELDS
from shared.contracts.message import Lane
from shared.database.retention import Retention

_PREFIX = "kreisfunk_dispatcher"
_SEND_BUCKETS = (0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30)
_LATENCY_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200)
_BROADCAST_BUCKETS = (5, 10, 30, 60, 120, 300, 600, 1800, 3600, 14_400, 43_200)
_UNUSED = "too late, connection opened too late, nothing claimed in time, maximum of requests reached, Meta unreachable"
_RESULTS = ("accepted", "unknown", "not_sent", "expired", *(action.value for action in ErrorAction))
_WORDS: Mapping[type[SendResult], str] = {Accepted: "accepted", NoResponse: "unknown", Expired: "expired"}
# Labels exported with 0 from the start, so that the first event is an increase.
_INITIAL_LABELS: Mapping[str, Iterable[str]] = {
    "refused_rows": ("result", "status"),
    "send_slots_unused": ("late", "connecting", "nothing", "requests", "pause"),
    "account_events": (*sorted(ACCOUNT_FIELDS), "other"),
    "account_updates": AccountUpdate,
    "statuses": ("changed", "unmatched"),
    "unknown_outcomes": ("found", "sent_again"),
    "billed_messages": (*BILLED_CATEGORIES, "other"),
}
# Name, help, labels.
_COUNTERS = (
    ("sends", "Attempts to send; the result of an error from Meta is the action that it requires", "lane", "result"),
    ("statuses", "Meta's statuses by effect; unmatched ones have no row in the ledger", "result"),
    ("send_slots_reserved", "Slots of the rate that this replica reserved"),
    ("send_slots_unused", f"Slots without a message: {_UNUSED}", "reason"),
    ("refused_rows", "Results and statuses that the database refused; the rest of their group was stored", "kind"),
    ("unknown_outcomes", "Requests without an answer: found, sent again", "event"),
    ("account_events", "Account webhooks by Meta's field", "field"),
    ("account_updates", "Account webhooks by meaning; repeats count once where they change sending", "update"),
    ("broadcasts_paused", "Broadcasts paused because Meta rejected their messages one after another"),
    ("billed_messages", "Delivered messages, by the category that Meta bills", "category"),
)
_GAUGES = (
    ("rate_permitted", "Messages a second that all replicas may send now; 0 before the first lease"),
    ("rate_limit", "Meta's limit for the number, in messages a second"),
    ("sending_paused", "1 while sending is paused, by Meta or by an operator (from the ledger)"),
    ("meta_unreachable_seconds", "Time since Meta last answered this replica; 0 while it answers"),
    ("replicas_expected", "Configured number of dispatchers"),
    ("max_requests_in_flight", "Requests to Meta that this replica may have in flight at once"),
    ("lane_oldest_seconds", "Wait of a lane's first broker message, or since a retry or broadcast was due", "lane"),
    ("waiting_deliveries", "Deliveries neither accepted nor ended (from the ledger)", "lane"),
    ("unaccounted", "Recipients of ended broadcasts without a row in the ledger; 0 once the lanes are empty"),
    ("unknown_oldest_seconds", "Age of the oldest request without an answer; 0 if none (from the ledger)"),
)


class Metrics:
    """Prometheus implementation of the handlers' Meter. Labels are words of our own code, never received data."""

    def __init__(self, registry: CollectorRegistry, *, limit: float, max_requests: int = 0, replicas: int = 1) -> None:
        self._count = {n: Counter(f"{_PREFIX}_{n}", text, labels, registry=registry) for n, text, *labels in _COUNTERS}
        self._show = {n: Gauge(f"{_PREFIX}_{n}", text, labels, registry=registry) for n, text, *labels in _GAUGES}
        self.retention = Retention("dispatcher", registry)
        bound_text = "Current bound of sending: the rate, requests in flight, nothing to send, or a pause"
        bounds = ["rate", "requests", "work", "pause"]
        self._bound = Enum(f"{_PREFIX}_send_bound_by", bound_text, states=bounds, registry=registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(f"{_PREFIX}_{name}", text, labels, buckets=buckets, registry=registry)

        self._send_seconds = histogram("send_seconds", "From request to Meta's answer", _SEND_BUCKETS)
        self._lease_wait = histogram("lease_wait_seconds", "Wait until reserved slots began", _SEND_BUCKETS)
        broadcast_text = "From a broadcast's publication to the end of its last delivery"
        self._broadcast_seconds = histogram("broadcast_seconds", broadcast_text, _BROADCAST_BUCKETS)
        latency_text = "From the notice's publication, or the reply's decision, to Meta's acceptance"
        latency = histogram("publish_to_accepted_seconds", latency_text, _LATENCY_BUCKETS, "lane")
        # Looked up once: finding a child by its labels costs more than counting.
        sends = self._count["sends"]
        self._sends = {(lane, result): sends.labels(lane.value, result) for lane in Lane for result in _RESULTS}
        self._latencies = {lane: latency.labels(lane.value) for lane in Lane}
        self._show["rate_limit"].set(limit)
        self._show["max_requests_in_flight"].set(max_requests)
        self._show["replicas_expected"].set(replicas)
        self._permitted = 0.0  # by the last lease
        self.show_backlog(Backlog(waiting={}, overdue_seconds={}, unaccounted=0, unknown_seconds=0.0), {}, 0.0)
        for name, labels in _INITIAL_LABELS.items():
            for label in labels:
                self._count[name].labels(label)

    def record_send(self, claim: Claim, answer: SendResult, seconds: float, now: datetime) -> None:
        self._sends[claim.lane, _classify_result(answer)].inc()
        if isinstance(answer, Accepted):
            self._latencies[claim.lane].observe(max(0.0, (now - claim.asked_at).total_seconds()))
        if isinstance(answer, NoResponse):
            self.count("unknown_outcomes", label="found")
        if isinstance(answer, Accepted | ErrorResponse):
            self._send_seconds.observe(seconds)

    def record_lease(self, lease: Lease, wait_seconds: float) -> None:
        self._count["send_slots_reserved"].inc(lease.slots)
        self._lease_wait.observe(wait_seconds)
        self._permitted = 0 if lease.is_paused else 1 / lease.spacing
        self._show["rate_permitted"].set(self._permitted)

    def show_backlog(self, backlog: Backlog, lane_seconds: Mapping[Lane, float], unreachable: float) -> None:
        self._show["meta_unreachable_seconds"].set(unreachable)
        for lane in Lane:
            self._show["waiting_deliveries"].labels(lane.value).set(backlog.waiting.get(lane, 0))
            self._show["lane_oldest_seconds"].labels(lane.value).set(lane_seconds.get(lane, 0.0))
        self._show["sending_paused"].set(backlog.sending_paused)
        self._show["rate_permitted"].set(0 if backlog.sending_paused else self._permitted)
        self._show["unaccounted"].set(backlog.unaccounted)
        self._show["unknown_oldest_seconds"].set(backlog.unknown_seconds)

    def count(self, name: str, amount: float = 1, label: str | None = None) -> None:
        counter = self._count[name]
        (counter if label is None else counter.labels(label)).inc(amount)

    def record_broadcast(self, seconds: float) -> None:
        self._broadcast_seconds.observe(seconds)

    def show_send_bound(self, bound: str) -> None:
        self._bound.state(bound)


def _classify_result(answer: SendResult) -> str:
    if isinstance(answer, ErrorResponse):
        return answer.rule.action.value
    return _WORDS.get(type(answer), "not_sent")

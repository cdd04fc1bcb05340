"""All types of fault, with their targets and durations."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from tests.faults.proxies import BROKER, DATABASE, GRAPH, INGRESS
from tests.proxy import NetworkConditions

DISPATCHERS, MAX_DISPATCHERS = 3, 4
SUBSCRIPTIONS, INGRESSES, NEWSROOMS = 2, 2, 1
# Meta held back this one message: an operator may resend it.
HELD_BACK_CODE = 131049
RABBITMQ, POSTGRES, SIMULATOR = "rabbitmq", "postgres", "simulator"


class FaultAction(StrEnum):
    KILL = "kill"  # SIGKILL; the supervisor restarts the process
    RESTART = "restart"  # SIGTERM, as an operator does, then a new start
    ALARM = "alarm"  # the broker's memory alarm: publishers are blocked
    CUT = "cut"  # all connections of a link are closed at once
    NETWORK = "network"  # a link degrades for a while
    META = "meta"  # Meta misbehaves for a while
    FREEZE = "freeze"  # SIGSTOP, then SIGCONT after a while
    TIER = "tier"  # Meta permits no more recipients than have already been written to
    BACKUP = "backup"  # one transaction reads every table of the ledger while maintenance is due
    WRONG_KEY = "wrong key"  # one more dispatcher, with a wrong encryption key
    KILL_LEADER = "kill leader"  # SIGKILL to the broker node that leads a queue
    CUT_OFF = "cut off"  # a broker node and the others do not reach each other
    FAIL_OVER = "fail over"  # SIGKILL to the database's primary; a standby takes its place
    ROLL = "roll"  # all broker nodes are restarted, one after another
    SCALE = "scale"  # most dispatchers end, come back, and end again


class FaultPhase(StrEnum):
    """Position of a fault type in a round, and its permitted effect on sending."""

    FIRST = "first"  # at the start, before anybody has received anything
    ROUGH = "rough"  # one after another; sending may falter
    STEADY = "steady"  # several at once, none of them rough; the full rate is due after a few seconds
    BESIDE = "beside"  # together with a steady or stopping fault: it does not affect sending
    STOPPED = "stopped"  # alone: nothing is accepted; sending has to resume by itself


@dataclass(frozen=True)
class FaultType:
    """One type of fault. A target is a process, a server, or a link `process/peer` (`dispatcher/…` means all of them).

    `account_update` is the value of the webhook that reports it to the business; empty if Meta reports nothing.
    """

    kind: str
    action: FaultAction
    targets: tuple[str, ...]
    seconds: tuple[float, float] = (0.0, 0.0)
    network: NetworkConditions = field(default_factory=NetworkConditions)
    disturbance: Mapping[str, object] = field(default_factory=dict)
    account_update: Mapping[str, object] = field(default_factory=dict)
    phase: FaultPhase = FaultPhase.ROUGH


def list_replicas(kind: str, count: int) -> tuple[str, ...]:
    return tuple(f"{kind}-{number}" for number in range(1, count + 1))


def list_links(dispatchers: Sequence[str], peer: str) -> tuple[str, ...]:
    """Return the links to this peer: that of each dispatcher, and that of all of them."""
    return tuple(f"{process}/{peer}" for process in (*dispatchers, "dispatcher"))


TO_INGRESS = f"{SIMULATOR} to {INGRESS}"
_HOLE = NetworkConditions(blackhole=True)
_REFUSE = NetworkConditions(refuse=True)
_LATE = NetworkConditions(latency_seconds=0.15)
_NARROW = NetworkConditions(latency_seconds=0.02, bytes_per_second=20_000)

_META: Mapping[str, Mapping[str, object]] = {
    "Meta answers 130429": {"reject_share": 0.5, "reject_code": 130429, "reject_status": 400},
    "Meta answers HTTP 429": {"reject_share": 0.5, "reject_code": 80007, "reject_status": 429},
    "Meta answers HTTP 503": {"reject_share": 0.7, "reject_code": 131016, "reject_status": 503},
    "Meta answers 131000": {"reject_share": 0.7, "reject_code": 131000, "reject_status": 500},
    "Meta does not answer": {"timeout_share": 0.3, "timeout_accept_share": 0.5},
    "Meta accepts and cuts": {"cut_after_accept_share": 0.3},
    "Meta is late": {"latency_seconds": 0.5, "latency_jitter_seconds": 1.0},
    "Meta accepts, cuts and never tells": {"vanish_share": 0.02},
    "Meta reports 131000": {"fail_share": 0.3, "fail_code": 131000},
    "Meta reports 131049": {"fail_share": 0.1, "fail_code": HELD_BACK_CODE},
}

_WEBHOOKS: Mapping[str, Mapping[str, object]] = {
    "webhooks doubled": {"webhook_duplicate_share": 0.7},
    "webhooks delayed": {"webhook_delay_seconds": 4.0},
    "webhooks shuffled": {"webhook_shuffle": True},
}
# Lasts longer than the dispatcher waits for an answer, and longer than open requests need to exhaust any resource.
_UNANSWERED = {"timeout_share": 0.01, "timeout_accept_share": 0.5}
_SLOW = {"latency_seconds": 0.4, "latency_jitter_seconds": 1.1}
# Nothing is accepted, or all accepted messages fail: Meta's behaviour for a while, and the webhook that reports it.
_REFUSALS: Mapping[str, tuple[Mapping[str, object], Mapping[str, object]]] = {
    "Meta refuses the sender with 190": ({"reject_share": 1.0, "reject_code": 190, "reject_status": 401}, {}),
    "Meta accepts and reports 131031": ({"fail_share": 1.0, "fail_code": 131031}, {}),
    "Meta restricts the account": (
        {"reject_share": 1.0, "reject_code": 131031, "reject_status": 403},
        {
            "event": "ACCOUNT_RESTRICTION",
            "restriction_info": [{"restriction_type": "RESTRICTED_BIZ_INITIATED_MESSAGING"}],
        },
    ),
    "Meta removes the partner": (
        {"reject_share": 1.0, "reject_code": 131005, "reject_status": 403},
        {"event": "PARTNER_REMOVED"},
    ),
}
# Causes retried deliveries, which a result that is written twice would damage.
_TOO_FAST = {"reject_share": 0.3, "reject_code": 130429, "reject_status": 400}


def render_page(status: str, *headers: str) -> bytes:
    """Return the HTTP response of a proxy in front of Meta."""
    body = f"<html><body><h1>{status}</h1></body></html>"
    lines = (f"HTTP/1.1 {status}", "Content-Type: text/html", f"Content-Length: {len(body)}", *headers)
    return "\r\n".join((*lines, "Connection: close", "", body)).encode()


_PAGES = {
    "a proxy's 403": render_page("403 Forbidden"),
    "a proxy's 404": render_page("404 Not Found"),
    "a proxy's 429 with a long Retry-After": render_page("429 Too Many Requests", "Retry-After: 600"),
}


def build_fault_types(dispatchers: int) -> tuple[FaultType, ...]:
    """Return all types of fault for a system with this number of dispatchers."""
    names = list_replicas("dispatcher", dispatchers)
    processes = {
        "dispatcher": names,
        "subscriptions": list_replicas("subscriptions", SUBSCRIPTIONS),
        "ingress": list_replicas("ingress", INGRESSES),
    }
    links = {f"dispatcher to {peer}": list_links(names, peer) for peer in (DATABASE, BROKER, GRAPH)}
    links[TO_INGRESS] = (f"{SIMULATOR}/{INGRESS}",)
    meta, first = (SIMULATOR,), FaultPhase.FIRST
    return (
        FaultType("Meta's tier is used up", FaultAction.TIER, meta, (20.0, 30.0), phase=first),
        *(FaultType(f"kill {kind}", FaultAction.KILL, replicas) for kind, replicas in processes.items()),
        *(FaultType(f"restart {kind}", FaultAction.RESTART, replicas) for kind, replicas in processes.items()),
        *(FaultType(f"kill {server}", FaultAction.KILL, (server,)) for server in (RABBITMQ, POSTGRES)),
        *(FaultType(f"restart {server}", FaultAction.RESTART, (server,)) for server in (RABBITMQ, POSTGRES)),
        FaultType("broker memory alarm", FaultAction.ALARM, (RABBITMQ,), (2.0, 5.0)),
        *(recipe for name, targets in links.items() for recipe in _build_link_faults(name, targets)),
        *(FaultType(kind, FaultAction.META, meta, (3.0, 8.0), disturbance=faults) for kind, faults in _META.items()),
        *_build_rough_faults(names),
        *_build_steady_faults(names, processes),
        *_build_stopping_faults(names),
    )


def _build_link_faults(name: str, targets: tuple[str, ...]) -> Iterator[FaultType]:
    """Yield the faults that can affect any link."""
    phase = FaultPhase.BESIDE if name == TO_INGRESS else FaultPhase.ROUGH
    yield FaultType(f"cut {name}", FaultAction.CUT, targets, phase=phase)
    yield FaultType(f"hole {name}", FaultAction.NETWORK, targets, (2.0, 8.0), _HOLE, phase=phase)
    yield FaultType(f"no way {name}", FaultAction.NETWORK, targets, (1.0, 5.0), _REFUSE, phase=phase)
    yield FaultType(f"late {name}", FaultAction.NETWORK, targets, (3.0, 8.0), _LATE, phase=phase)
    yield FaultType(f"narrow {name}", FaultAction.NETWORK, targets, (2.0, 6.0), _NARROW, phase=phase)


def _build_steady_faults(dispatchers: tuple[str, ...], processes: Mapping[str, tuple[str, ...]]) -> Iterator[FaultType]:
    steady, beside, meta = FaultPhase.STEADY, FaultPhase.BESIDE, (SIMULATOR,)
    # The full rate is due only if another dispatcher takes over.
    taken_over = steady if len(dispatchers) > 1 else FaultPhase.ROUGH
    yield FaultType("freeze dispatcher", FaultAction.FREEZE, dispatchers, (8.0, 60.0), phase=taken_over)
    yield FaultType("a backup during maintenance", FaultAction.BACKUP, dispatchers, (30.0, 40.0), phase=taken_over)
    yield FaultType("a replica with the wrong key", FaultAction.WRONG_KEY, dispatchers, (15.0, 30.0), phase=steady)
    pieces, to_meta = NetworkConditions(split_seconds=0.1), list_links(dispatchers, GRAPH)
    yield FaultType("answers in pieces", FaultAction.NETWORK, to_meta, (20.0, 30.0), pieces, phase=steady)
    yield FaultType("1 % never answered", FaultAction.META, meta, (30.0, 40.0), disturbance=_UNANSWERED, phase=steady)
    yield FaultType("a slow Meta", FaultAction.META, meta, (30.0, 40.0), disturbance=_SLOW, phase=steady)
    for kind in ("subscriptions", "ingress"):
        yield FaultType(f"freeze {kind}", FaultAction.FREEZE, processes[kind], (5.0, 60.0), phase=beside)
    newsrooms = list_replicas("newsroom", NEWSROOMS)
    yield FaultType("kill newsroom", FaultAction.KILL, newsrooms, phase=beside)
    yield FaultType("freeze newsroom", FaultAction.FREEZE, newsrooms, (5.0, 60.0), phase=beside)
    for kind, faults in _WEBHOOKS.items():
        yield FaultType(kind, FaultAction.META, meta, (3.0, 8.0), disturbance=faults, phase=beside)


def _build_stopping_faults(dispatchers: Sequence[str]) -> Iterator[FaultType]:
    stopped = FaultPhase.STOPPED
    for kind, (faults, update) in _REFUSALS.items():
        yield FaultType(
            kind,
            FaultAction.META,
            (SIMULATOR,),
            (20.0, 60.0),
            disturbance=faults,
            account_update=update,
            phase=stopped,
        )
    for number, (kind, page) in enumerate(_PAGES.items()):
        target, network = (f"{dispatchers[number % len(dispatchers)]}/{GRAPH}",), NetworkConditions(page=page)
        yield FaultType(kind, FaultAction.NETWORK, target, (2.0, 8.0), network, phase=stopped)


def _build_rough_faults(dispatchers: Sequence[str]) -> Iterator[FaultType]:
    lost = NetworkConditions(swallow_answers=True)
    answers = tuple(f"{process}/{DATABASE}" for process in dispatchers)
    for server in (RABBITMQ, POSTGRES):
        yield FaultType(f"freeze {server}", FaultAction.FREEZE, (server,), (2.0, 5.0))
    yield FaultType("answers of the database lost", FaultAction.NETWORK, answers, (0.5, 2.0), lost, _TOO_FAST)
    slow, to_meta = NetworkConditions(lost_syn_seconds=3.0), list_links(dispatchers, GRAPH)
    yield FaultType("connections to Meta take seconds", FaultAction.NETWORK, to_meta, (8.0, 12.0), slow)

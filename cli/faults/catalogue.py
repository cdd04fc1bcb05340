"""What can go wrong: every kind of fault, whom it may hit, and how long it lasts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from deploy.local.detours import BROKER, DATABASE, GRAPH, INGRESS
from deploy.local.proxy import Weather

DISPATCHERS, SUBSCRIPTIONS, INGRESSES = 3, 2, 2
# Held back by Meta for this once: an operator may try again.
KEPT_BACK = 131049
RABBITMQ, POSTGRES, SIMULATOR = "rabbitmq", "postgres", "simulator"


class Action(StrEnum):
    """What a hand does."""

    KILL = "kill"  # SIGKILL; the supervisor starts it again
    RESTART = "restart"  # SIGTERM, as an operator does, and a new start
    ALARM = "alarm"  # the broker's memory alarm: publishers are blocked
    CUT = "cut"  # a link's connections end at once
    WEATHER = "weather"  # a link gets worse for a while
    META = "meta"  # Meta's side misbehaves for a while


@dataclass(frozen=True)
class Recipe:
    """One kind of fault. A target is a process, a server, or a link `process/peer` (`dispatcher/…` is all of them)."""

    kind: str
    action: Action
    targets: tuple[str, ...]
    seconds: tuple[float, float] = (0.0, 0.0)
    weather: Weather = field(default_factory=Weather)
    disturbance: Mapping[str, object] = field(default_factory=dict)


def replicas(kind: str, count: int) -> tuple[str, ...]:
    return tuple(f"{kind}-{number}" for number in range(1, count + 1))


def links(peer: str) -> tuple[str, ...]:
    """One dispatcher's link to it, or that of all of them."""
    return tuple(f"{process}/{peer}" for process in (*replicas("dispatcher", DISPATCHERS), "dispatcher"))


_PROCESSES = {"dispatcher": DISPATCHERS, "subscriptions": SUBSCRIPTIONS, "ingress": INGRESSES}
_LINKS = {
    f"dispatcher to {DATABASE}": links(DATABASE),
    f"dispatcher to {BROKER}": links(BROKER),
    f"dispatcher to {GRAPH}": links(GRAPH),
    f"{SIMULATOR} to {INGRESS}": (f"{SIMULATOR}/{INGRESS}",),
}
_HOLE = Weather(hole=True)
_REFUSE = Weather(refuse=True)
_LATE = Weather(latency_seconds=0.15)
_NARROW = Weather(latency_seconds=0.02, bytes_per_second=20_000)

_META: Mapping[str, Mapping[str, object]] = {
    "Meta answers 130429": {"reject_share": 0.5, "reject_code": 130429, "reject_status": 400},
    "Meta answers HTTP 429": {"reject_share": 0.5, "reject_code": 80007, "reject_status": 429},
    "Meta answers HTTP 503": {"reject_share": 0.7, "reject_code": 131016, "reject_status": 503},
    "Meta answers 131000": {"reject_share": 0.7, "reject_code": 131000, "reject_status": 500},
    "Meta does not answer": {"timeout_share": 0.3, "timeout_accept_share": 0.5},
    "Meta accepts and cuts": {"cut_after_accept_share": 0.3},
    "Meta is late": {"latency_seconds": 0.5, "latency_jitter_seconds": 1.0},
    "webhooks doubled": {"webhook_duplicate_share": 0.7},
    "webhooks delayed": {"webhook_delay_seconds": 4.0},
    "webhooks shuffled": {"webhook_shuffle": True},
    "Meta accepts, cuts and never tells": {"vanish_share": 0.02},
    "Meta reports 131000": {"fail_share": 0.3, "fail_code": 131000},
    "Meta reports 131049": {"fail_share": 0.1, "fail_code": KEPT_BACK},
}

RECIPES: tuple[Recipe, ...] = (
    *(Recipe(f"kill {kind}", Action.KILL, replicas(kind, count)) for kind, count in _PROCESSES.items()),
    *(Recipe(f"restart {kind}", Action.RESTART, replicas(kind, count)) for kind, count in _PROCESSES.items()),
    *(Recipe(f"kill {server}", Action.KILL, (server,)) for server in (RABBITMQ, POSTGRES)),
    *(Recipe(f"restart {server}", Action.RESTART, (server,)) for server in (RABBITMQ, POSTGRES)),
    Recipe("broker memory alarm", Action.ALARM, (RABBITMQ,), (2.0, 5.0)),
    *(Recipe(f"cut {name}", Action.CUT, targets) for name, targets in _LINKS.items()),
    *(Recipe(f"hole {name}", Action.WEATHER, targets, (2.0, 8.0), _HOLE) for name, targets in _LINKS.items()),
    *(Recipe(f"no way {name}", Action.WEATHER, targets, (1.0, 5.0), _REFUSE) for name, targets in _LINKS.items()),
    *(Recipe(f"late {name}", Action.WEATHER, targets, (3.0, 8.0), _LATE) for name, targets in _LINKS.items()),
    *(Recipe(f"narrow {name}", Action.WEATHER, targets, (2.0, 6.0), _NARROW) for name, targets in _LINKS.items()),
    *(Recipe(kind, Action.META, (SIMULATOR,), (3.0, 8.0), disturbance=what) for kind, what in _META.items()),
)
LONGEST_SECONDS = max(recipe.seconds[1] for recipe in RECIPES)

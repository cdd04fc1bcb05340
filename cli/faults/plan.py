"""Which fault happens when. Pure: the same seed gives the same plan."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil

from cli.faults.fault_types import FAULT_TYPES, FaultPhase, FaultType

QUIET_START_SECONDS = 2.0
# How long a full round with every kind takes at most, and a brief one.
DEFAULT_PLAN_SECONDS, SHORT_PLAN_SECONDS = 690.0, 330.0
# How much of the rate is left for work while so much is broken; only a guess of how long it will take.
EXPECTED_RATE_SHARE = 0.35
# What was broken before steady faults has to have healed when they begin.
REST_SECONDS = 12.0
# A paused sender tries again every 30 s, and for a long Retry-After after 60 s.
PROBE_SECONDS, MAX_PAUSE_SECONDS = 30.0, 60.0
RECOVERY_SECONDS = 8.0
ROUGH_TOGETHER = 8


@dataclass(frozen=True)
class Fault:
    """`at` and `seconds` are counted from the start of the plan; it is repaired at `until`."""

    at: float
    recipe: FaultType
    target: str
    seconds: float

    @property
    def kind(self) -> str:
        return self.recipe.kind

    @property
    def until(self) -> float:
        return self.at + self.seconds


@dataclass(frozen=True)
class PlanPace:
    """`gap` are seconds between rough faults, `together` is how many steady ones go on at once.

    A `brief` plan has every fault last as short as it may, and the pages of proxies come together.
    """

    gap: float
    together: int
    brief: bool = False


DEFAULT_PACE, SHORT_PACE = PlanPace(4.5, 2), PlanPace(1.7, 3, brief=True)


Stretch = Sequence[Fault]


def compute_plan_seconds(*, deliveries: int, rate: int) -> float:
    """How long a plan has to be: a round, or as long as so many deliveries are likely to take."""
    return max(deliveries / (rate * EXPECTED_RATE_SHARE), DEFAULT_PLAN_SECONDS)


def make_plan(seed: int, seconds: float, pace: PlanPace = DEFAULT_PACE) -> tuple[Fault, ...]:
    """As many rounds as there is time for, of the last one what fits; all is repaired before the end."""
    chance = random.Random(seed)  # noqa: S311 (has to be the same again)
    start, plan, complete = QUIET_START_SECONDS, list[Fault](), True
    while complete:
        for stretch in _Round(chance, pace).build_stretches():
            if start + measure_stretch(stretch) <= seconds:
                plan += (replace(fault, at=round(fault.at + start, 3)) for fault in stretch)
                start += measure_stretch(stretch)
            else:
                complete = False
    return tuple(sorted(plan, key=lambda fault: fault.at))


def measure_stretch(stretch: Stretch) -> float:
    """Seconds until its last fault is repaired, and a paused sender is back."""
    return max(_compute_recovery_end(fault) for fault in stretch)


def _compute_recovery_end(fault: Fault) -> float:
    if fault.recipe.phase is not FaultPhase.STOPPED:
        return fault.until
    pause = MAX_PAUSE_SECONDS if b"Retry-After" in fault.recipe.network.page else PROBE_SECONDS
    return fault.at + ceil((fault.seconds + 1) / pause) * pause + RECOVERY_SECONDS


@dataclass(frozen=True)
class _Round:
    """Every kind once, in stretches of faults that belong together, each counted from its start."""

    chance: random.Random
    pace: PlanPace

    def build_stretches(self) -> list[Stretch]:
        """Rough ones first, with what comes first; then all others by chance."""
        opening, *rough = (self._place_rough(kinds) for kinds in self._chunk_types(FaultPhase.ROUGH, ROUGH_TOGETHER))
        quiet = [self._place_steady(kinds) for kinds in self._chunk_types(FaultPhase.STEADY, self.pace.together)]
        quiet += [[self._build_fault(0.0, kind) for kind in kinds] for kinds in self._group_stopping()]
        for number, kind in enumerate(self._shuffle_types(FaultPhase.BESIDE)):
            self._put_beside(quiet[number % len(quiet)], kind)
        opening += [self._build_fault(0.0, kind) for kind in self._shuffle_types(FaultPhase.FIRST)]
        others = [*rough, *quiet]
        self.chance.shuffle(others)
        return [opening, *others]

    def _place_rough(self, kinds: Sequence[FaultType]) -> list[Fault]:
        """One in each stretch of time."""
        return [
            self._build_fault(self.pace.gap * (number + self.chance.random()), kind)
            for number, kind in enumerate(kinds)
        ]

    def _place_steady(self, kinds: Sequence[FaultType]) -> list[Fault]:
        return [self._build_fault(REST_SECONDS + self.chance.random(), kind) for kind in kinds]

    def _group_stopping(self) -> Iterator[Sequence[FaultType]]:
        kinds = self._shuffle_types(FaultPhase.STOPPED)
        pages = [kind for kind in kinds if kind.network.page] if self.pace.brief else []
        yield from ([kind] for kind in kinds if kind not in pages)
        if pages:
            yield pages

    def _put_beside(self, stretch: list[Fault], kind: FaultType) -> None:
        fault = self._build_fault(0.0, kind)
        room = max(0.0, measure_stretch(stretch) - fault.seconds)
        stretch.append(replace(fault, at=room * self.chance.random()))

    def _chunk_types(self, phase: FaultPhase, size: int) -> Iterator[Sequence[FaultType]]:
        kinds = self._shuffle_types(phase)
        return (kinds[start : start + size] for start in range(0, len(kinds), size))

    def _shuffle_types(self, phase: FaultPhase) -> list[FaultType]:
        kinds = [recipe for recipe in FAULT_TYPES if recipe.phase is phase]
        return self.chance.sample(kinds, len(kinds))

    def _build_fault(self, at: float, recipe: FaultType) -> Fault:
        shortest, longest = recipe.seconds
        seconds = shortest if self.pace.brief else self.chance.uniform(shortest, longest)
        return Fault(at, recipe, self.chance.choice(recipe.targets), round(seconds, 3))

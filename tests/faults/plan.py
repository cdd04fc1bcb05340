"""Plan of faults and their times. Pure: the same seed gives the same plan."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from math import ceil

from tests.faults.fault_types import FaultPhase, FaultType

QUIET_START_SECONDS = 2.0
# Share of the rate left for work under faults; only used to estimate the duration.
EXPECTED_RATE_SHARE = 0.35
# Recovery time from earlier faults before steady ones begin.
REST_SECONDS = 12.0
# While paused, a sender probes every 30 s, or after 60 s if Retry-After is long.
PROBE_SECONDS, MAX_PAUSE_SECONDS = 30.0, 60.0
RECOVERY_SECONDS = 8.0
ROUGH_TOGETHER = 8


@dataclass(frozen=True)
class Fault:
    """A planned fault; `at` and `seconds` are relative to the start of the plan, it is repaired at `until`."""

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
    """Pace of a plan: `gap` is the seconds between rough faults, `together` the number of concurrent steady ones.

    In a `brief` plan every fault has its shortest duration, and all faults with a proxy's page happen together if each
    has a dispatcher of its own.
    """

    gap: float
    together: int
    brief: bool = False


DEFAULT_PACE, SHORT_PACE = PlanPace(4.5, 2), PlanPace(1.7, 3, brief=True)


Stretch = Sequence[Fault]


def compute_work_seconds(*, deliveries: int, rate: int) -> float:
    """Return the expected duration of this number of deliveries in seconds."""
    return deliveries / (rate * EXPECTED_RATE_SHARE)


def compute_round_seconds(seed: int, pace: PlanPace, types: Sequence[FaultType]) -> float:
    """Return the duration of the first round of a plan, in which every fault type occurs once."""
    stretches = _Round(random.Random(seed), pace, types).build_stretches()
    # Added up as `make_plan` does: `sum` rounds floats otherwise since Python 3.12.
    *_, seconds = accumulate(map(measure_stretch, stretches), initial=QUIET_START_SECONDS)
    return seconds


def make_plan(seed: int, seconds: float, pace: PlanPace, types: Sequence[FaultType]) -> tuple[Fault, ...]:
    """Plan as many rounds as fit, the last one possibly in part; every fault is repaired before the end."""
    chance = random.Random(seed)
    start, plan, complete = QUIET_START_SECONDS, list[Fault](), True
    while complete:
        for stretch in _Round(chance, pace, types).build_stretches():
            if start + measure_stretch(stretch) <= seconds:
                plan += (replace(fault, at=round(fault.at + start, 3)) for fault in stretch)
                start += measure_stretch(stretch)
            else:
                complete = False
    return tuple(sorted(plan, key=lambda fault: fault.at))


def measure_stretch(stretch: Stretch) -> float:
    """Return the seconds until its last fault is repaired and a paused sender has resumed."""
    return max(_compute_recovery_end(fault) for fault in stretch)


def _compute_recovery_end(fault: Fault) -> float:
    if fault.recipe.phase is not FaultPhase.STOPPED:
        return fault.until
    pause = MAX_PAUSE_SECONDS if b"Retry-After" in fault.recipe.network.page else PROBE_SECONDS
    return fault.at + ceil((fault.seconds + 1) / pause) * pause + RECOVERY_SECONDS


@dataclass(frozen=True)
class _Round:
    """Every fault type once, in stretches of faults that belong together, each timed from the start of its stretch."""

    chance: random.Random
    pace: PlanPace
    types: Sequence[FaultType]

    def build_stretches(self) -> list[Stretch]:
        """Build a first stretch of rough faults with those of phase FIRST, then all others in random order."""
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
        """Place one fault in each interval of `gap` seconds."""
        return [
            self._build_fault(self.pace.gap * (number + self.chance.random()), kind)
            for number, kind in enumerate(kinds)
        ]

    def _place_steady(self, kinds: Sequence[FaultType]) -> list[Fault]:
        return [self._build_fault(REST_SECONDS + self.chance.random(), kind) for kind in kinds]

    def _group_stopping(self) -> Iterator[Sequence[FaultType]]:
        kinds = self._shuffle_types(FaultPhase.STOPPED)
        pages = [kind for kind in kinds if kind.network.page] if self.pace.brief else []
        if len({kind.targets for kind in pages}) < len(pages):
            pages = []
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
        kinds = [recipe for recipe in self.types if recipe.phase is phase]
        return self.chance.sample(kinds, len(kinds))

    def _build_fault(self, at: float, recipe: FaultType) -> Fault:
        shortest, longest = recipe.seconds
        seconds = shortest if self.pace.brief else self.chance.uniform(shortest, longest)
        return Fault(at, recipe, self.chance.choice(recipe.targets), round(seconds, 3))

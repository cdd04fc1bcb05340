"""Which fault happens when. Pure: the same seed gives the same plan."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil

from cli.faults.catalogue import RECIPES, Phase, Recipe

QUIET_START_SECONDS = 2.0
# How long a full round with every kind takes at most, and a brief one.
USUAL_SECONDS, SHORT_SECONDS = 690.0, 330.0
# How much of the rate is left for work while so much is broken; only a guess of how long it will take.
USUAL_SHARE = 0.35
# What was broken before steady faults has to have healed when they begin.
REST_SECONDS = 12.0
# A paused sender tries again every 30 s, and for a long Retry-After after 60 s.
PROBE_SECONDS, LONGEST_PAUSE_SECONDS = 30.0, 60.0
BACK_SECONDS = 8.0
ROUGH_TOGETHER = 8


@dataclass(frozen=True)
class Fault:
    """`at` and `seconds` are counted from the start of the plan; it is repaired at `until`."""

    at: float
    recipe: Recipe
    target: str
    seconds: float

    @property
    def kind(self) -> str:
        return self.recipe.kind

    @property
    def until(self) -> float:
        return self.at + self.seconds


@dataclass(frozen=True)
class Pace:
    """`gap` are seconds between rough faults, `together` is how many steady ones go on at once.

    A `brief` plan has every fault last as short as it may, and the pages of proxies come together.
    """

    gap: float
    together: int
    brief: bool = False


USUAL, SHORT = Pace(4.5, 2), Pace(1.7, 3, brief=True)


Stretch = Sequence[Fault]


def seconds_for(*, deliveries: int, rate: int) -> float:
    """How long a plan has to be: a round, or as long as so many deliveries are likely to take."""
    return max(deliveries / (rate * USUAL_SHARE), USUAL_SECONDS)


def make_plan(seed: int, seconds: float, pace: Pace = USUAL) -> tuple[Fault, ...]:
    """As many rounds as there is time for, of the last one what fits; all is repaired before the end."""
    chance = random.Random(seed)  # noqa: S311 (has to be the same again)
    start, plan, complete = QUIET_START_SECONDS, list[Fault](), True
    while complete:
        for stretch in _Round(chance, pace).stretches():
            if start + length(stretch) <= seconds:
                plan += (replace(fault, at=round(fault.at + start, 3)) for fault in stretch)
                start += length(stretch)
            else:
                complete = False
    return tuple(sorted(plan, key=lambda fault: fault.at))


def length(stretch: Stretch) -> float:
    """Seconds until its last fault is repaired, and a paused sender is back."""
    return max(_back(fault) for fault in stretch)


def _back(fault: Fault) -> float:
    if fault.recipe.phase is not Phase.STOPPED:
        return fault.until
    pause = LONGEST_PAUSE_SECONDS if b"Retry-After" in fault.recipe.weather.page else PROBE_SECONDS
    return fault.at + ceil((fault.seconds + 1) / pause) * pause + BACK_SECONDS


@dataclass(frozen=True)
class _Round:
    """Every kind once, in stretches of faults that belong together, each counted from its start."""

    chance: random.Random
    pace: Pace

    def stretches(self) -> list[Stretch]:
        """Rough ones first, with what comes first; then all others by chance."""
        opening, *rough = (self._rough(kinds) for kinds in self._chunks(Phase.ROUGH, ROUGH_TOGETHER))
        quiet = [self._steady(kinds) for kinds in self._chunks(Phase.STEADY, self.pace.together)]
        quiet += [[self._fault(0.0, kind) for kind in kinds] for kinds in self._stopping()]
        for number, kind in enumerate(self._shuffled(Phase.BESIDE)):
            self._put_beside(quiet[number % len(quiet)], kind)
        opening += [self._fault(0.0, kind) for kind in self._shuffled(Phase.FIRST)]
        others = [*rough, *quiet]
        self.chance.shuffle(others)
        return [opening, *others]

    def _rough(self, kinds: Sequence[Recipe]) -> list[Fault]:
        """One in each stretch of time."""
        return [self._fault(self.pace.gap * (number + self.chance.random()), kind) for number, kind in enumerate(kinds)]

    def _steady(self, kinds: Sequence[Recipe]) -> list[Fault]:
        return [self._fault(REST_SECONDS + self.chance.random(), kind) for kind in kinds]

    def _stopping(self) -> Iterator[Sequence[Recipe]]:
        kinds = self._shuffled(Phase.STOPPED)
        pages = [kind for kind in kinds if kind.weather.page] if self.pace.brief else []
        yield from ([kind] for kind in kinds if kind not in pages)
        if pages:
            yield pages

    def _put_beside(self, stretch: list[Fault], kind: Recipe) -> None:
        fault = self._fault(0.0, kind)
        room = max(0.0, length(stretch) - fault.seconds)
        stretch.append(replace(fault, at=room * self.chance.random()))

    def _chunks(self, phase: Phase, size: int) -> Iterator[Sequence[Recipe]]:
        kinds = self._shuffled(phase)
        return (kinds[start : start + size] for start in range(0, len(kinds), size))

    def _shuffled(self, phase: Phase) -> list[Recipe]:
        kinds = [recipe for recipe in RECIPES if recipe.phase is phase]
        return self.chance.sample(kinds, len(kinds))

    def _fault(self, at: float, recipe: Recipe) -> Fault:
        shortest, longest = recipe.seconds
        seconds = shortest if self.pace.brief else self.chance.uniform(shortest, longest)
        return Fault(at, recipe, self.chance.choice(recipe.targets), round(seconds, 3))

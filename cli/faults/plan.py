"""Which fault happens when. Pure: the same seed gives the same plan."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cli.faults.catalogue import LONGEST_SECONDS, RECIPES, Recipe

FEWEST_FAULTS = 60
SECONDS_PER_FAULT = 4.5
SHORT_SECONDS, SHORT_FAULTS = 75.0, 32
QUIET_START_SECONDS = 2.0
# How much of the rate is left for work while so much is broken; only a guess of how long it will take.
USUAL_SHARE = 0.35


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
class Length:
    """How long the plan takes, and how many faults it has."""

    seconds: float
    faults: int


def length_for(*, deliveries: int, rate: int, minutes: float | None) -> Length:
    """For so many minutes, else for as long as so many deliveries are likely to take."""
    if minutes is not None:
        seconds = minutes * 60
        return Length(seconds, max(1, int(seconds / SECONDS_PER_FAULT)))
    seconds = max(deliveries / (rate * USUAL_SHARE), FEWEST_FAULTS * SECONDS_PER_FAULT)
    return Length(seconds, int(seconds / SECONDS_PER_FAULT))


def make_plan(seed: int, length: Length, recipes: Sequence[Recipe] = RECIPES) -> tuple[Fault, ...]:
    """One fault in each stretch of time, every kind once before any comes again, all repaired before the end."""
    chance = random.Random(seed)  # noqa: S311 (has to be the same again)
    stretch = max(0.0, length.seconds - QUIET_START_SECONDS - LONGEST_SECONDS) / length.faults
    kinds = _kinds(chance, recipes)
    return tuple(
        _fault(chance, next(kinds), QUIET_START_SECONDS + stretch * (number + chance.random()))
        for number in range(length.faults)
    )


def _kinds(chance: random.Random, recipes: Sequence[Recipe]) -> Iterator[Recipe]:
    while True:
        yield from chance.sample(recipes, len(recipes))


def _fault(chance: random.Random, recipe: Recipe, at: float) -> Fault:
    target, seconds = chance.choice(recipe.targets), chance.uniform(*recipe.seconds)
    return Fault(at=round(at, 3), recipe=recipe, target=target, seconds=round(seconds, 3))

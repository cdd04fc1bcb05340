"""Training examples: messages and what they mean, in the folder `examples`, one file for each common intent.

A line is a message. A heading such as `[stop ask_stop]` gives the intents of the lines below it, the best reading
first.
"""

from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import NamedTuple

from services.subscriptions.domain.intents.intent import Intent

_FOLDER = "examples"


class Example(NamedTuple):
    """Message and its readings, the best first."""

    text: str
    intents: tuple[Intent, ...]


@cache
def read_examples() -> tuple[Example, ...]:
    """Return all examples, always in the same order."""
    files = sorted(resources.files(__package__).joinpath(_FOLDER).iterdir(), key=lambda file: file.name)
    return tuple(example for file in files for example in parse_examples(file.read_text(encoding="utf-8")))


def parse_examples(text: str) -> Iterator[Example]:
    """Yield the examples of one file. Raises ValueError if a heading names an unknown intent."""
    intents: tuple[Intent, ...] = ()
    for line in filter(None, map(str.strip, text.splitlines())):
        if line.startswith("[") and line.endswith("]"):
            intents = tuple(map(Intent, line[1:-1].split()))
        else:
            yield Example(line, intents)

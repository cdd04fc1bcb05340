"""Meanings of real-looking texts: the files in `tests/data/dialogue`."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from services.subscriptions.domain.intents.intent import Intent

FOLDER = Path(__file__).parents[2] / "data" / "dialogue"


class Case(NamedTuple):
    text: str
    intent: Intent


class ClassifiedText(NamedTuple):
    """A text, the class that it is an example of, and what is expected of it."""

    name: str
    expected: str
    text: str


def read_cases() -> list[Case]:
    """All cases of `cases.txt`, which has a section for each intent; blank lines are for the reader."""
    cases: list[Case] = []
    intent = Intent.OTHER
    for line in (FOLDER / "cases.txt").read_text().splitlines():
        if line.startswith("[") and line.endswith("]"):
            intent = Intent(line[1:-1])
        elif line.strip():
            cases.append(Case(line, intent))
    return cases


def read_classes() -> Iterator[ClassifiedText]:
    """Classes of texts that were misunderstood once, with variants: `# class`, `[expected]`, and a text in each line.

    `[stop ask_stop]` expects one of these intents, `[not stop]` another one. `[pause until=14.2]` names a slot, too;
    `answer` is the wording of what a stranger is answered.
    """
    name = expected = ""
    for line in filter(None, (FOLDER / "classes.txt").read_text().splitlines()):
        if line.startswith("# "):
            name = line.removeprefix("# ")
        elif line.startswith("["):
            expected = line[1:-1]
        else:
            yield ClassifiedText(name, expected, line.replace("\\n", "\n"))

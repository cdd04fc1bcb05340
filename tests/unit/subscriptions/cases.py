"""What real-looking texts mean: `tests/data/dialogue`, a section for each intent."""

from pathlib import Path
from typing import NamedTuple

from services.subscriptions.domain.intents.intent import Intent

FOLDER = Path(__file__).parents[2] / "data" / "dialogue"


class Case(NamedTuple):
    text: str
    intent: Intent


def read_cases(name: str) -> list[Case]:
    """All cases of a file; blank lines are for the reader."""
    cases: list[Case] = []
    intent = Intent.OTHER
    for line in (FOLDER / name).read_text().splitlines():
        if line.startswith("[") and line.endswith("]"):
            intent = Intent(line[1:-1])
        elif line.strip():
            cases.append(Case(line, intent))
    return cases

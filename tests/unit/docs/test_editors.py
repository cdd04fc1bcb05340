"""The editors' guide explains in German what the commands say of an editor's mistakes."""

import re
from collections.abc import Iterator, Sequence
from datetime import timedelta

import pytest
from typer.testing import CliRunner

from cli.main import app
from tests.factories.citizens import NOON
from tests.unit.shared_notices.factories import build_event, find_content_problems, find_problems
from tools.docs.generate import DOCS

GUIDE = (DOCS / "guides" / "editors.md").read_text()
SOURCES = [
    *(DOCS.parent / "cli").rglob("*.py"),
    *(DOCS.parent / "shared").glob("*/*.py"),
    *(DOCS.parent / "services" / "subscriptions" / "domain").glob("*.py"),
]
CLICKS = ("No such option", "Got unexpected extra argument")
TOPIC, HEADLINE, TEXT = ("--topic", "baustellen"), ("--headline", "K 9"), ("--text", "Gesperrt.")
ANYTHING = "…"
EARLIER = NOON - timedelta(hours=1)
LINK = "https://www.landkreis-osterholz.de/"


def explained() -> list[str]:
    """Return what the guide quotes of the commands, in the table of what may be said."""
    table = GUIDE.partition("## Wenn etwas nicht geht")[2].partition("\n## ")[0]
    rows = [line.split(" | ")[0] for line in table.splitlines() if line.startswith("| `")]
    return [quoted for row in rows for quoted in re.findall(r"`([^`]+)`", row)]


def is_quoted(quotation: str, said: str) -> bool:
    return re.search(re.escape(quotation).replace(ANYTHING, ".+"), said) is not None


def is_explained(said: str) -> bool:
    return any(is_quoted(quotation, said) for quotation in explained())


@pytest.mark.parametrize(
    "arguments",
    [
        (*TOPIC, *HEADLINE, *TEXT, "--expires-at", "30.11.2026"),
        (*TOPIC, *HEADLINE, *TEXT, "--expires-at", "2026-11-30"),
        (*TOPIC, *HEADLINE, *TEXT, "--expires-in", "2 Tage"),
        (*TOPIC, *HEADLINE, *TEXT, "--scheduled-at", "morgen"),
        (*TOPIC, *HEADLINE, "--txt", "Gesperrt."),
        (*TOPIC, *HEADLINE),
        (*TOPIC, *HEADLINE, "--text", "Bis", "Freitag"),
        (*TOPIC, *HEADLINE, "--text", "Bis", "Freitag", "gesperrt."),
    ],
    ids=" ".join,
)
def test_what_is_said_of_a_wrong_command_line_is_explained(arguments: Sequence[str]) -> None:
    ended = CliRunner().invoke(app, ["publish", *arguments], env={"COLUMNS": "300", "NO_COLOR": "1"})
    assert (ended.exit_code, is_explained(ended.output)) == (2, True), ended.output


def list_rejected() -> Iterator[tuple[str, str]]:
    changes: Sequence[dict[str, object]] = (
        {"topic": "strassensperrung"},
        {"text": "x" * 801},
        {"headline": "x" * 121},
        {"headline": "x" * 120, "text": "x" * 751},
        {"text": "Erste Zeile.\nZweite Zeile."},
        {"text": "Mehr auf example.org."},
        {"link": "https://example.org/"},
        {"link": "www.landkreis-osterholz.de"},
        {"picture": LINK.replace("https", "http")},
        {"municipalities": ["Worpsweede"]},
        {"topic": "stellen", "municipalities": ["Grasberg"]},
        {"scheduled_at": EARLIER.isoformat()},
        {"scheduled_at": (NOON + timedelta(days=300)).isoformat()},
    )
    for change in changes:
        yield from find_content_problems(**change).items()
    yield from find_problems(build_event(expirytime=EARLIER)).items()


def test_what_is_said_of_a_rejected_notice_is_explained() -> None:
    said = [f"{field}: {problem}" for field, problem in list_rejected()]
    assert len(said) >= 14
    assert [one for one in said if not is_explained(one)] == []


def test_what_is_explained_is_what_the_programs_say() -> None:
    said = [f"{field}: {problem}" for field, problem in list_rejected()]
    source = "\n".join(path.read_text() for path in SOURCES)
    quotations = explained()
    assert len(quotations) > 25
    unsaid = [each for each in quotations if each not in CLICKS and not any(is_quoted(each, one) for one in said)]
    parts = [part.strip() for each in unsaid for part in re.split(f"{ANYTHING}|: ", each)]
    assert [part for part in parts if part not in source] == []

"""Whatever the rules can say of a draft is said in German: what their source has, and what comes of broken rules."""

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import product
from types import ModuleType
from typing import Any

import msgspec
import pytest

from services.ingress.notices.validation import NOT_CHECKED
from services.newsroom.domain.explanations import FIELD_NAMES, explain_blocker, explain_problem
from services.newsroom.handlers import assessing
from services.subscriptions.domain import broadcast, notice_commands, notice_events
from services.subscriptions.domain.quotas import build_silent_quota, find_quota_problems, list_quotas
from shared.contracts.events import Problem
from shared.contracts.notices import NoticePublished, NoticeWithdrawn
from shared.notices import rules
from shared.notices.rules import validate_event
from tests.factories.editors import COUNTY, NOON, SYSTEM

RIGHT: dict[str, Any] = {"topic": "strassensperrungen", "headline": "K 9 gesperrt", "text": "Bis Freitag."}
SITE = "https://www.landkreis-osterholz.de/"
SOON = NOON + timedelta(days=1)
WRONG_WORDS = (
    *("", " \u200b ", "eins\nzwei", "eins\u202ezwei", "weit     weg", "{{1}}", "Mehr auf example.org", "x" * 801),
)
WRONG_ADDRESSES = (
    *("http://www.landkreis-osterholz.de", "https://example.org/a", "https://user@www.landkreis-osterholz.de/a"),
    *("https://[::1/a", f"{SITE}a\u00adb", f"{SITE}{'x' * 200}"),
)
WRONG: tuple[dict[str, Any], ...] = (
    {"topic": ""},
    {"topic": "lottozahlen"},
    *({field: words} for field in ("headline", "text") for words in WRONG_WORDS),
    {"text": "x" * 790, "headline": "y" * 120},
    *({field: address} for field in ("link", "picture") for address in WRONG_ADDRESSES),
    {"municipalities": ["Bremen"]},
    {"municipalities": ["Grasberg"], "topic": "stellen"},
    {"scheduled_at": (NOON - timedelta(hours=1)).isoformat()},
    {"scheduled_at": (NOON + timedelta(days=2)).isoformat()},
    {"follows": "n-1"},
)
EXPIRIES = (None, NOON - timedelta(hours=1), NOON + timedelta(days=400))
# The newsroom itself names its notices and numbers their revisions; none of its forms has these fields.
ITS_OWN = (
    "is missing: the notice's id, which stays the same when it changes",
    "must be 1 to 100 of letters, digits and . _ : -",
    "is missing: 2 for the first update, counting up",
    "is for an update: leave it out, or send an update",
)
WITHOUT_PICTURES = msgspec.structs.replace(
    COUNTY, topics=tuple(msgspec.structs.replace(topic, picture_template=None) for topic in COUNTY.topics)
)


def build_event(
    data: dict[str, Any],
    kind: type[NoticePublished | NoticeWithdrawn] = NoticePublished,
    expiry: datetime | None = SOON,
) -> bytes:
    event = {
        "specversion": "1.0",
        "id": "1",
        "source": SYSTEM.sources[0],
        "type": kind.TYPE,
        "subject": "n-1",
        "datacontenttype": "application/json",
        "data": data,
        **({"expirytime": expiry.isoformat()} if expiry else {}),
    }
    return msgspec.json.encode(event)


def break_rules() -> Iterator[Problem]:
    """Yield what the rules say of each mistake."""
    assert validate_event(build_event(RIGHT), SYSTEM, COUNTY, NOON) == ()
    for change in WRONG:
        found = validate_event(build_event({**RIGHT, **change}), SYSTEM, COUNTY, NOON)
        assert found, change
        yield from found
    yield from validate_event(build_event({**RIGHT, "picture": f"{SITE}a.png"}), SYSTEM, WITHOUT_PICTURES, NOON)
    for expiry in EXPIRIES:
        yield from validate_event(build_event(RIGHT, expiry=expiry), SYSTEM, COUNTY, NOON)
    for reason in ("eins\u202ezwei", "Siehe example.org"):
        yield from validate_event(build_event({"reason": reason}, NoticeWithdrawn), SYSTEM, COUNTY, NOON)


def spend_quotas() -> Iterator[Problem]:
    """Yield what is said of each exhausted quota, with and without a time at which it permits more."""
    for oldest, silent in product((NOON, None), (False, True)):
        exhausted = (*list_quotas(SYSTEM, urgent=True), build_silent_quota(SYSTEM))
        yield from find_quota_problems(dict.fromkeys(exhausted, oldest), silent=silent)


def list_calls(module: ModuleType) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Yield field and text of each problem that the module can report."""
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Problem":
            values = {keyword.arg: keyword.value for keyword in node.keywords}
            yield values["field"], values["problem"]


def read_words(words: ast.expr, hole: str, escape: Callable[[str], str] = str) -> str | None:
    """Return the text that an expression yields, with `hole` for each value; None if only running it tells."""
    parts = words.values if isinstance(words, ast.JoinedStr) else [words]
    texts = [part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else None for part in parts]
    return "".join(hole if text is None else escape(text) for text in texts) if any(texts) else None


def is_editors(field: ast.expr) -> bool:
    return not isinstance(field, ast.Constant) or field.value in FIELD_NAMES


def list_written_problems(module: ModuleType) -> Iterator[Problem]:
    """Yield each problem of an editor's field that the module can report."""
    for field, words in list_calls(module):
        if isinstance(field, ast.Constant) and field.value in FIELD_NAMES and (text := read_words(words, "7")):
            yield Problem(field=str(field.value), problem=text)


PROBLEMS = [
    rules.ID_REUSED,
    *break_rules(),
    *spend_quotas(),
    *list_written_problems(notice_commands),
    *list_written_problems(assessing),
]
YIELDED = [node.value for node in ast.walk(ast.parse(inspect.getsource(broadcast))) if isinstance(node, ast.Yield)]
BLOCKERS = [
    *(text for words in YIELDED if words and (text := read_words(words, "7"))),
    *(notice_commands.CANCELLED, notice_events.NOTHING_WITHDRAWN, NOT_CHECKED),
]


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda each: f"{each.field}: {each.problem[:40]}")
def test_every_problem_is_explained(problem: Problem) -> None:
    german = explain_problem(problem)
    assert not german.startswith("Bitte prüfen (")
    assert german.endswith(".")
    assert "{0}" not in german


def test_every_rule_is_broken_here() -> None:
    said = [*(problem.problem for problem in PROBLEMS), *ITS_OWN]
    patterns = [read_words(words, ".*", re.escape) for field, words in list_calls(rules) if is_editors(field)]
    assert [each for each in patterns if each and not any(re.fullmatch(each, words) for words in said)] == []
    assert len(PROBLEMS) > len(patterns) > 20


@pytest.mark.parametrize("blocker", BLOCKERS)
def test_every_blocker_is_explained(blocker: str) -> None:
    assert not explain_blocker(blocker).startswith("Hinweis der Technik")


@pytest.mark.parametrize("words", ["Mehr auf https://example.org", "eins\u202ezwei"])
@pytest.mark.parametrize(("field", "name"), [("headline", "Die Überschrift"), ("text", "Der Text")])
def test_what_is_wrong_in_one_field_is_not_said_of_another(field: str, name: str, words: str) -> None:
    (problem,) = validate_event(build_event({**RIGHT, field: words}), SYSTEM, COUNTY, NOON)
    assert explain_problem(problem).startswith(f"{name} enthält")


@pytest.mark.parametrize("field", ["link", "picture"])
def test_what_is_wrong_in_an_address_is_not_said_of_the_text(field: str) -> None:
    (problem,) = validate_event(build_event({**RIGHT, field: f"{SITE}a\u00adb"}), SYSTEM, COUNTY, NOON)
    assert explain_problem(problem).startswith("Die Adresse enthält")

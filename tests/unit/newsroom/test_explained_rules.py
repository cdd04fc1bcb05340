"""Whatever the rules can say of a draft is said in German: each rule is broken here, one that is not fails, too."""

import ast
import inspect
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, time, timedelta
from types import ModuleType
from typing import Any
from uuid import UUID

import msgspec
import pytest

from services.ingress.notices.validation import NOT_CHECKED
from services.newsroom.domain.explanations import FIELD_NAMES, explain_blocker, explain_problem
from services.newsroom.handlers import assessing
from services.subscriptions.domain import broadcast, notice_commands, notice_events, quotas
from services.subscriptions.domain.broadcast import Revision, estimate_broadcast
from services.subscriptions.domain.notice_commands import (
    NoticeCommand,
    NoticeState,
    Policy,
    StoredAnswer,
    decide_notice,
)
from services.subscriptions.domain.quotas import build_silent_quota, list_quotas
from shared.contracts.dispatch import PermittedHours
from shared.contracts.events import Problem
from shared.contracts.notices import NoticeContent, NoticePublished, NoticeUpdated, NoticeWithdrawn
from shared.notices import rules
from shared.notices.cloudevents import read_event
from shared.notices.configuration import Prices
from shared.notices.rules import parse_notice, validate_event
from tests.factories import citizens
from tests.factories.editors import COUNTY, NOON, SYSTEM

UNTRANSLATED = ("Bitte prüfen (", "Hinweis der Technik")
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
    data: dict[str, Any], kind: type[NoticeContent | NoticeWithdrawn] = NoticePublished, expiry: datetime | None = SOON
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


def build_command(kind: type[NoticeContent | NoticeWithdrawn] = NoticePublished, **changes: Any) -> NoticeCommand:
    data = {} if kind is NoticeWithdrawn else {**RIGHT, **changes}
    parsed = parse_notice(read_event(build_event(data, kind)))
    content = parsed.notice if isinstance(parsed.notice, NoticeContent) else None
    return NoticeCommand(
        envelope=parsed.envelope,
        system=SYSTEM,
        digest=parsed.fingerprint,
        subject="n-1",
        content=content,
        topic=COUNTY.find_topic(content.topic) if content else None,
    )


def build_state(*revisions: int, **told: Any) -> NoticeState:
    """Return the state of a notice with these revisions, of other content."""
    stored = (
        Revision(broadcast=UUID(int=number), number=number, digest=b"", topic=RIGHT["topic"], expires_at=SOON)
        for number in revisions
    )
    return NoticeState(revisions=tuple(stored), **told)


def break_order() -> Iterator[Problem]:
    """Yield what subscriptions says of events that break no rule, but do not fit what was published before."""
    update, withdrawal = build_command(NoticeUpdated, revision=2), build_command(NoticeWithdrawn)
    follow_up = build_command(follows="n-0")
    notices = dict.fromkeys(list_quotas(SYSTEM, urgent=True), NOON)
    for command, state in (
        (build_command(), build_state(answered=StoredAnswer(digest=b"", publications=()))),
        (build_command(), build_state(withdrawn=True)),
        (build_command(), build_state(1)),
        (update, build_state()),
        (update, build_state(1, 2)),
        (update, build_state(1, 3)),
        (replace(update, only_topics=frozenset()), build_state(1)),
        (follow_up, build_state()),
        (follow_up, build_state(followed={UUID(int=9): "stellen"})),
        (build_command(), build_state(exhausted_quotas=notices)),
        (build_command(), build_state(exhausted_quotas=dict.fromkeys(notices))),
        (withdrawal, build_state(exhausted_quotas={build_silent_quota(SYSTEM): NOON})),
    ):
        decision = decide_notice(command, state, Policy(now=NOON, county=citizens.COUNTY, messages_per_second=80))
        assert decision.problems, (command, state)
        yield from decision.problems


def list_blockers() -> Iterator[str]:
    """Yield what may keep a notice from its audience, as estimates say it."""
    command, hours = build_command(), PermittedHours(opens=time(8), closes=time(14), zone="Europe/Berlin")
    assert command.topic
    assert isinstance(command.content, NoticePublished)
    plain = broadcast.build_broadcast(command.envelope, command.content, topic=command.topic, now=NOON)
    late = NOON + timedelta(hours=6)  # in the evening
    for found, audience in (
        (plain, 0),
        (replace(plain, expires_at=NOON + timedelta(minutes=1)), 10_000),
        (replace(plain, hours=hours, published_at=late), 10),
        (replace(plain, hours=hours, published_at=late, expires_at=late + timedelta(hours=1)), 10),
        (replace(plain, hours=hours, expires_at=NOON + timedelta(hours=6)), 1_000_000),
        (replace(plain, hours=hours, expires_at=NOON + timedelta(hours=21)), 1_000_000),
    ):
        yield from estimate_broadcast(
            found, audience, topic=command.topic, prices=Prices(), messages_per_second=80
        ).blockers


def list_calls(module: ModuleType) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Yield field and text of each problem that the module can report."""
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Problem":
            values = {keyword.arg: keyword.value for keyword in node.keywords}
            yield values["field"], values["problem"]


def list_own_problems() -> Iterator[Problem]:
    """Yield what the newsroom itself finds."""
    for field, words in list_calls(assessing):
        yield Problem(field=ast.literal_eval(field), problem=ast.literal_eval(words))


PROBLEMS = [*break_rules(), *break_order(), *list_own_problems()]
BLOCKERS = [*list_blockers(), notice_commands.CANCELLED, notice_events.NOTHING_WITHDRAWN, NOT_CHECKED]


def read_pattern(words: ast.expr) -> str | None:
    """Return a pattern for the text that an expression yields; None if only running it tells."""
    parts = words.values if isinstance(words, ast.JoinedStr) else [words]
    texts = [part.value if isinstance(part, ast.Constant) and isinstance(part.value, str) else None for part in parts]
    return "".join(".*" if text is None else re.escape(text) for text in texts) if any(texts) else None


def list_written_problems(module: ModuleType) -> Iterator[str]:
    """Yield a pattern for each problem of an editor's field that the module can report."""
    for field, words in list_calls(module):
        pattern = read_pattern(words)
        if pattern and (not isinstance(field, ast.Constant) or field.value in FIELD_NAMES):
            yield pattern


def list_written_blockers() -> Iterator[str]:
    for node in ast.walk(ast.parse(inspect.getsource(broadcast))):
        if isinstance(node, ast.Yield) and node.value and (pattern := read_pattern(node.value)):
            yield pattern


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda each: f"{each.field}: {each.problem[:40]}")
def test_every_problem_is_explained(problem: Problem) -> None:
    german = explain_problem(problem)
    assert not german.startswith(UNTRANSLATED)
    assert german.endswith(".")
    assert "{0}" not in german


@pytest.mark.parametrize("module", [rules, notice_commands, quotas], ids=lambda module: module.__name__)
def test_every_rule_is_broken_here(module: ModuleType) -> None:
    said = [*(problem.problem for problem in PROBLEMS), *ITS_OWN]
    patterns = list(list_written_problems(module))
    assert patterns
    assert [pattern for pattern in patterns if not any(re.fullmatch(pattern, words) for words in said)] == []


@pytest.mark.parametrize("blocker", BLOCKERS)
def test_every_blocker_is_explained(blocker: str) -> None:
    german = explain_blocker(blocker)
    assert not german.startswith(UNTRANSLATED)
    assert "2026-11-2" not in german


def test_every_blocker_is_met_here() -> None:
    patterns = list(list_written_blockers())
    assert patterns
    assert [pattern for pattern in patterns if not any(re.fullmatch(pattern, words) for words in BLOCKERS)] == []


@pytest.mark.parametrize("words", ["Mehr auf https://example.org", "eins\u202ezwei"])
@pytest.mark.parametrize(("field", "name"), [("headline", "Die Überschrift"), ("text", "Der Text")])
def test_what_is_wrong_in_one_field_is_not_said_of_another(field: str, name: str, words: str) -> None:
    (problem,) = validate_event(build_event({**RIGHT, field: words}), SYSTEM, COUNTY, NOON)
    assert explain_problem(problem).startswith(f"{name} enthält")


@pytest.mark.parametrize("field", ["link", "picture"])
def test_what_is_wrong_in_an_address_is_not_said_of_the_text(field: str) -> None:
    (problem,) = validate_event(build_event({**RIGHT, field: f"{SITE}a\u00adb"}), SYSTEM, COUNTY, NOON)
    assert explain_problem(problem).startswith("Die Adresse enthält")

"""Everything that the rules can say of a draft is said in German."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from services.ingress.notices.validation import NOT_CHECKED
from services.newsroom.domain.drafts import DraftKind
from services.newsroom.domain.explanations import (
    explain_audience,
    explain_blocker,
    explain_delays,
    explain_duration,
    explain_problem,
)
from services.newsroom.domain.sending import SendingOverview, TemplatePause
from services.subscriptions.domain.notice_commands import TOPIC_NOT_PERMITTED, UNKNOWN_NOTICE
from services.subscriptions.domain.notice_events import NOTHING_WITHDRAWN
from services.subscriptions.domain.quotas import Quota, build_silent_quota, find_quota_problems, list_quotas
from shared.contracts.events import Problem
from shared.notices.rules import ID_REUSED, validate_event
from tests.factories.editors import COUNTY, NOON, NUMBER, SYSTEM

UNTRANSLATED = ("Bitte prüfen (", "Hinweis der Technik")
RIGHT: dict[str, Any] = {"topic": "strassensperrungen", "headline": "K 9 gesperrt", "text": "Bis Freitag."}
WRONG: tuple[dict[str, Any], ...] = (
    {"topic": ""},
    {"topic": "lottozahlen"},
    {"headline": ""},
    {"headline": "x" * 121},
    {"headline": " \u200b "},
    {"text": "x" * 801},
    {"text": "eins\nzwei"},
    {"text": "eins\u202ezwei"},
    {"text": "weit     weg"},
    {"text": "{{1}}"},
    {"text": "Mehr auf example.org"},
    {"headline": "Mehr auf example.org"},
    {"text": "x" * 790, "headline": "y" * 120},
    {"link": "http://www.landkreis-osterholz.de"},
    {"link": "https://example.org/a"},
    {"link": "https://user@www.landkreis-osterholz.de/a"},
    {"link": "https://[::1/a"},
    {"link": "https://www.landkreis-osterholz.de/" + "x" * 200},
    {"picture": "https://example.org/a.png"},
    {"municipalities": ["Bremen"]},
    {"municipalities": ["Grasberg"], "topic": "stellen"},
    {"scheduled_at": (NOON - timedelta(hours=1)).isoformat()},
    {"scheduled_at": (NOON + timedelta(days=2)).isoformat()},
    {"follows": "n-1"},
)
EXPIRIES: tuple[str | None, ...] = (
    None,
    (NOON - timedelta(hours=1)).isoformat(),
    (NOON + timedelta(days=400)).isoformat(),
)


def validate(data: dict[str, Any], expirytime: str | None) -> tuple[Problem, ...]:
    event = {
        "specversion": "1.0",
        "id": "1",
        "source": SYSTEM.sources[0],
        "type": "de.kreisfunk.notice.published.v1",
        "subject": "n-1",
        "datacontenttype": "application/json",
        "data": data,
        **({"expirytime": expirytime} if expirytime else {}),
    }
    return validate_event(msgspec.json.encode(event), SYSTEM, COUNTY, NOON)


def list_problems() -> Iterator[Problem]:
    soon = (NOON + timedelta(days=1)).isoformat()
    assert validate(RIGHT, soon) == ()
    for change in WRONG:
        found = validate({**RIGHT, **change}, soon)
        assert found, change
        yield from found
    for expiry in EXPIRIES:
        yield from validate(RIGHT, expiry)
    quotas: dict[Quota, datetime | None] = dict.fromkeys(list_quotas(SYSTEM, urgent=True), NOON)
    yield from find_quota_problems(quotas)
    yield from find_quota_problems(dict.fromkeys(quotas, None))
    yield from find_quota_problems({build_silent_quota(SYSTEM): NOON}, silent=True)
    yield from (TOPIC_NOT_PERMITTED, UNKNOWN_NOTICE, ID_REUSED)
    yield Problem(field="subject", problem="was withdrawn; publish under another one")
    yield Problem(field="subject", problem="was published before, in revision 2; send an update")
    yield Problem(field="revision", problem="was published with other content; count it up")
    yield Problem(field="follows", problem="is not a notice that was accepted from this source")
    yield Problem(field="topic", problem="must be that of the notice that it follows")


@pytest.mark.parametrize("problem", list(list_problems()), ids=lambda each: f"{each.field}: {each.problem[:40]}")
def test_every_problem_is_explained(problem: Problem) -> None:
    german = explain_problem(problem)
    assert not german.startswith(UNTRANSLATED)
    assert german.endswith(".")
    assert "{0}" not in german


@pytest.mark.parametrize("words", ["Mehr auf https://example.org", "eins\u202ezwei"])
@pytest.mark.parametrize(("field", "name"), [("headline", "Die Überschrift"), ("text", "Der Text")])
def test_what_is_wrong_in_one_field_is_not_said_of_another(field: str, name: str, words: str) -> None:
    (problem,) = validate({**RIGHT, field: words}, (NOON + timedelta(days=1)).isoformat())
    assert explain_problem(problem).startswith(f"{name} enthält")


def test_a_problem_nobody_knows_is_shown_as_it_is() -> None:
    assert explain_problem(Problem(field="x", problem="is odd")) == "Bitte prüfen (is odd)."


def test_figures_and_moments_are_kept() -> None:
    quota = next(find_quota_problems(dict.fromkeys(list_quotas(SYSTEM, urgent=False)[:1], NOON)))
    assert explain_problem(quota) == (
        "In einer Stunde sind 30 Meldungen möglich; die nächste ab 25. November 2026, 13:00 Uhr."
    )


@pytest.mark.parametrize(
    "blocker",
    [
        "nobody has subscribed to this",
        "nobody will get it: it expires before the permitted hours begin at 2026-11-26T08:00:00+01:00",
        "outside the permitted hours until 2026-11-26T08:00:00+01:00",
        "not everybody will get it: it takes about 400 s at today's rate, and expires before",
        "not everybody will get it: the permitted hours end at 2026-11-26T20:00:00+01:00, and it expires before they"
        " begin again",
        "not everybody will get it: within the permitted hours it takes until 2026-11-26T09:00:00+01:00, and expires"
        " before",
        "nobody will get it any more: it was cancelled",
        NOTHING_WITHDRAWN,
        NOT_CHECKED,
    ],
)
def test_every_blocker_is_explained(blocker: str) -> None:
    german = explain_blocker(blocker)
    assert not german.startswith(UNTRANSLATED)
    assert "2026-11-26T" not in german


def test_how_long_sending_would_take_has_a_unit_that_suits() -> None:
    german = explain_blocker("not everybody will get it: it takes about 12500 s at today's rate, and expires before")
    assert "Der Versand dauert etwa 3 Stunden, und vorher endet die Gültigkeit." in german


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "nicht bekannt"),
        (0, "wenige Sekunden"),
        (1, "wenige Sekunden"),
        (12, "etwa 12 Sekunden"),
        (600, "etwa 10 Minuten"),
        (7_200, "etwa 2 Stunden"),
    ],
)
def test_durations_have_a_unit_that_suits(seconds: int | None, words: str) -> None:
    assert explain_duration(seconds) == words


@pytest.mark.parametrize(
    ("kind", "audience", "words"),
    [
        (DraftKind.NOTICE, 6_000, "6.000"),
        (DraftKind.NOTICE, 0, "0"),
        (DraftKind.NOTICE, None, "nicht bekannt"),
        (DraftKind.UPDATE, None, "nicht bekannt"),
        (DraftKind.FOLLOW_UP, 6_000, "6.000"),
        (DraftKind.FOLLOW_UP, None, "alle, die die erste Meldung bekommen haben"),
    ],
)
def test_an_audience_that_nobody_knows_is_not_made_up(kind: DraftKind, audience: int | None, words: str) -> None:
    assert explain_audience(kind, audience) == words


@pytest.mark.parametrize(
    ("changed", "audience", "words"),
    [
        ({"paused_reason": "Übung"}, 5, "angehalten (Übung)"),
        ({"unreachable_since": NOON}, 5, "ist seit 25. November 2026, 12:00 Uhr nicht erreichbar"),
        ({"permitted": 20.0}, 5, "nur 20 statt 80 Nachrichten"),
        ({}, 601, "noch Nachrichten an 600 weitere Personen."),
        ({"people": 999}, 2, "noch Nachrichten an 1 weitere Person."),
        ({"people": 1001}, 1, "noch Nachrichten an 0 weitere"),
    ],
)
def test_what_delays_a_notice_is_said_before_it_is_sent(changed: dict[str, Any], audience: int, words: str) -> None:
    (text,) = explain_delays(SendingOverview(numbers=(replace(NUMBER, **changed),)), "notice/de", audience)
    assert words in text


def test_what_delays_nobody_is_not_said() -> None:
    pause = TemplatePause(template="other/de", reason="Meta: PAUSED", paused_at=NOON, broadcasts=1)
    sending = SendingOverview(numbers=(NUMBER, replace(NUMBER, people_a_day=None)), templates=(pause,))
    assert explain_delays(sending, "notice/de", 600) == explain_delays(sending, "notice/de", None) == ()
    (text,) = explain_delays(sending, "other/de", 600)
    assert "„other/de“ zurzeit nicht an (Meta: PAUSED)" in text

"""Answers of the notices API in German: figures and moments, durations, audiences and delays."""

from dataclasses import replace
from typing import Any

import pytest

from services.newsroom.domain.drafts import DraftKind
from services.newsroom.domain.explanations import (
    explain_audience,
    explain_blocker,
    explain_delays,
    explain_duration,
    explain_problem,
)
from services.newsroom.domain.sending import SendingOverview, TemplatePause
from services.subscriptions.domain.quotas import find_quota_problems, list_quotas
from shared.contracts.events import Problem
from tests.factories.editors import NOON, NUMBER, SYSTEM


def test_a_problem_nobody_knows_is_shown_as_it_is() -> None:
    assert explain_problem(Problem(field="x", problem="is odd")) == "Bitte prüfen (is odd)."


def test_figures_moments_and_durations_are_kept() -> None:
    quota = next(find_quota_problems(dict.fromkeys(list_quotas(SYSTEM, urgent=False)[:1], NOON)))
    assert explain_problem(quota) == (
        "In einer Stunde sind 30 Meldungen möglich; die nächste ab 25. November 2026, 13:00 Uhr."
    )
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
    pause = TemplatePause(template="other/de", reason="von Meta angehalten", paused_at=NOON, broadcasts=1)
    sending = SendingOverview(numbers=(NUMBER, replace(NUMBER, people_a_day=None)), templates=(pause,))
    assert explain_delays(sending, "notice/de", 600) == explain_delays(sending, "notice/de", None) == ()
    (text,) = explain_delays(sending, "other/de", 600)
    assert "„other/de“ zurzeit nicht an (von Meta angehalten)" in text

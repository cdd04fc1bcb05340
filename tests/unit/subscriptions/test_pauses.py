"""Length of a pause, and the note if it differs from the request."""

from datetime import date, datetime

import pytest

from services.subscriptions.domain.pauses import calculate_easter
from shared.contracts.hours import LOCAL_ZONE
from tests.factories.citizens import NOON, build_context, build_message, play_dialogue, understand_message

UNCLEAR = "Eine Dauer haben wir nicht erkannt, deshalb sind es 14 Tage."
TOO_LONG = "Länger als ein Jahr ist nicht möglich."


def test_the_reply_to_a_pause_says_what_may_still_arrive() -> None:
    answer = play_dialogue("Start", "Pause 1 Woche")[1]
    assert "Was schon unterwegs ist, kann noch ankommen, ebenso eine Entwarnung zu einer früheren Meldung." in answer


@pytest.mark.parametrize(
    ("text", "note"),
    [("Pause", UNCLEAR), ("Pause bis zur Ernte", UNCLEAR), ("Pause bis 31.2.", UNCLEAR), ("Pause 2 Jahre", TOO_LONG)],
)
def test_a_pause_that_is_not_as_it_was_wished_for_says_so_and_how_to_say_it(text: str, note: str) -> None:
    answer = play_dialogue("Start", text)[1]
    assert note in answer
    assert "zum Beispiel Pause 3 Wochen oder Pause bis 24.12." in answer


@pytest.mark.parametrize(
    ("text", "said", "last"),
    [
        ("Pause bis 24.12.", datetime(2026, 12, 24, 23, 59, 58, tzinfo=LOCAL_ZONE), "24. Dezember 2026"),
        ("Pause bis Freitag", datetime(2026, 12, 24, 23, 59, 58, tzinfo=LOCAL_ZONE), "25. Dezember 2026"),
        ("Pause 3 Tage", datetime(2026, 12, 31, 23, 0, tzinfo=LOCAL_ZONE), "3. Januar 2027"),
        ("Pause bis Ende des Monats", datetime(2026, 12, 1, 8, 0, tzinfo=LOCAL_ZONE), "31. Dezember 2026"),
        ("Pause bis Monatsende", datetime(2027, 1, 31, 23, 0, tzinfo=LOCAL_ZONE), "31. Januar 2027"),
        ("Pause bis Ende Februar", datetime(2028, 2, 1, 8, 0, tzinfo=LOCAL_ZONE), "29. Februar 2028"),
        ("Pause bis 29.2.", datetime(2026, 12, 1, 8, 0, tzinfo=LOCAL_ZONE), "28. Februar 2027"),
        ("Pause bis nächstes Jahr", datetime(2027, 2, 1, 8, 0, tzinfo=LOCAL_ZONE), "1. Januar 2028"),
        ("Pause bis Mitte des Monats", datetime(2026, 11, 20, 18, tzinfo=LOCAL_ZONE), "15. Dezember 2026"),
        ("Pause bis Ostern", datetime(2026, 11, 20, 18, tzinfo=LOCAL_ZONE), "29. März 2027"),
    ],
)
def test_a_pause_counts_from_when_it_was_said_even_if_it_is_handled_after_midnight(
    text: str, said: datetime, last: str
) -> None:
    subscriber, _ = play_dialogue("Start")
    seconds = (said - NOON).total_seconds()
    message, context = build_message(text, seconds=seconds), build_context(seconds=seconds + 7200)
    _, outcome = understand_message(subscriber, message, context)
    assert outcome.reply is not None
    assert f"Pause bis einschließlich {last}." in outcome.reply.text
    assert UNCLEAR not in outcome.reply.text
    assert TOO_LONG not in outcome.reply.text


def test_easter_is_known() -> None:
    known = {2019: date(2019, 4, 21), 2024: date(2024, 3, 31), 2026: date(2026, 4, 5), 2038: date(2038, 4, 25)}
    assert {year: calculate_easter(year) for year in known} == known

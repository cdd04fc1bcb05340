"""Length of a pause, and the note if it differs from the request."""

from datetime import date, datetime, timedelta

import pytest

from services.subscriptions.domain.intents.detection import detect_text_intent
from services.subscriptions.domain.intents.intent import Intent
from services.subscriptions.domain.intents.text import CitizenText
from services.subscriptions.domain.pauses import calculate_easter, calculate_pause
from services.subscriptions.domain.replies import format_day
from shared.contracts.hours import LOCAL_ZONE
from tests.factories.citizens import COUNTY, NOON, build_context, build_message, play_dialogue, understand_message

UNCLEAR = "Eine Dauer haben wir nicht erkannt, deshalb sind es 14 Tage."
TOO_LONG = "Länger als ein Jahr ist nicht möglich."


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("Pause halbes Jahr", "21. Mai 2027"),
        ("Pause anderthalb Wochen", "30. November 2026"),
        ("Pause 1,5 Monate", "4. Januar 2027"),
        ("zweieinhalb Wochen Pause", "8. Dezember 2026"),
        ("Pause zwanzig Tage", "10. Dezember 2026"),
        ("Pause 3wochen", "11. Dezember 2026"),
        ("Pause bis Ostern", "29. März 2027"),
        ("Pause bis Pfingsten", "17. Mai 2027"),
        ("Pause bis 15 August", "15. August 2027"),
        ("Pause bis 24.12.2026", "24. Dezember 2026"),
        ("Ich möchte bis zum sechsten Januar keine Nachrichten bekommen", "6. Januar 2027"),
        ("Pause bis zum einunddreißigsten Dezember", "31. Dezember 2026"),
        ("pausa 1 semana", "27. November 2026"),
        ("Pause bis 3/1", "3. Januar 2027"),
        ("Please pause until 10 December", "10. Dezember 2026"),
        ("no messages until January 3 please", "3. Januar 2027"),
        ("pause until Dec 24th", "24. Dezember 2026"),
        ("break until the 2nd of March", "2. März 2027"),
        ("Do not send me messages till 5th of January 2027", "5. Januar 2027"),
        ("pause until October 3, 2027", "3. Oktober 2027"),
        ("pause until May", "1. Mai 2027"),
        ("Bitte erst am Freitag wieder was schicken", "27. November 2026"),
        ("Erst ab 10. Januar wieder schreiben bitte", "10. Januar 2027"),
        ("Pause bis 24. Dezember 18 Uhr", "24. Dezember 2026"),
        ("Bitte bis 15. 1. 10 Uhr nichts senden", "15. Januar 2027"),
        ("Pause bis 24. Dezember 18:30", "24. Dezember 2026"),
        ("Pause bis Ende des Monats", "30. November 2026"),
        ("Bitte bis zum Monatsende pausieren", "30. November 2026"),
        ("Pause bis Ende dieses Monats", "30. November 2026"),
        ("Pause bis Mitte des Monats", "15. Dezember 2026"),
        ("Pause bis nächstes Jahr", "1. Januar 2027"),
        ("Pause bis Ende Februar", "28. Februar 2027"),
    ],
)
def test_a_pause_is_as_long_as_it_was_wished_for(text: str, last: str) -> None:
    parsed = detect_text_intent(CitizenText(text), COUNTY)
    assert (parsed.intent, format_day(calculate_pause(parsed, NOON)[0] - timedelta(seconds=1))) == (Intent.PAUSE, last)
    answer = play_dialogue("Start", text)[1]
    assert last in answer
    assert UNCLEAR not in answer
    assert TOO_LONG not in answer


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


def test_easter_is_known() -> None:
    known = {2019: date(2019, 4, 21), 2024: date(2024, 3, 31), 2026: date(2026, 4, 5), 2038: date(2038, 4, 25)}
    assert {year: calculate_easter(year) for year in known} == known

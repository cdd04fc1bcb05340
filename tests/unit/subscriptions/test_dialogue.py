"""Dialogues by the rules alone: what is said, what somebody gets from then on, what is answered."""

import re
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.dispatcher.domain.content import MAX_TEXT_LENGTH, build_reply_body
from services.subscriptions.domain.conversation import HINT_INTERVAL, MAX_ANSWERS, REFILL_INTERVAL
from services.subscriptions.domain.decision import MessageResult
from services.subscriptions.domain.feedback import Feedback, FeedbackKind
from services.subscriptions.domain.intents.detection import detect_text_intent
from services.subscriptions.domain.intents.intent import Day, Intent, ParsedIntent
from services.subscriptions.domain.intents.text import CitizenText
from services.subscriptions.domain.pauses import calculate_pause
from services.subscriptions.domain.privacy import (
    NOTHING_STORED,
    StoredState,
    build_access_report,
    split_into_parts,
)
from services.subscriptions.domain.replies import build_place_menu, build_topic_menu, format_day
from services.subscriptions.domain.subscriber import MessageTime, Subscriber, SubscriberState
from shared.contracts.text import count_units
from tests.factories.citizens import (
    ANSWERS,
    COUNTY,
    NOON,
    TEXTS,
    build_context,
    build_message,
    build_time,
    converse,
    play_dialogue,
    subscribe,
    understand_message,
)
from tests.unit.subscriptions.cases import read_cases

TEXT = st.sampled_from([case.text for case in read_cases()])


@pytest.mark.parametrize(
    ("texts", "topics"),
    [
        (["nur Baustellen"], {"baustellen"}),
        (["1 3"], {"veranstaltungen", "baustellen"}),
        (["nur Baustellen", "auch Stellen"], {"baustellen", "stellen"}),
        (["keine Jobs mehr"], COUNTY.topic_ids - {"stellen"}),
        (["nur 2", "alle"], COUNTY.topic_ids),
        (["Stop Stellen", "Stop Stellen"], COUNTY.topic_ids - {"stellen"}),
        (["nur Baustellen", "Start"], COUNTY.topic_ids),
        (["nur Baustellen", "Pause", "Start"], {"baustellen"}),
        (["nur Baustellen", "Start Stellen"], {"baustellen", "stellen"}),
    ],
)
def test_topics_are_chosen_by_word_and_number(texts: list[str], topics: set[str]) -> None:
    assert subscribe(*texts).topics == topics


def test_leaving_the_last_topic_is_leaving() -> None:
    subscriber, answer = play_dialogue("Start", "nur Stellen", "Stop Stellen")
    assert subscriber is not None
    assert (subscriber.state, answer) == (SubscriberState.UNSUBSCRIBED, TEXTS.unsubscribe_confirmation.text)


def test_a_place_is_kept_while_topics_change_and_forgotten_when_somebody_leaves() -> None:
    subscriber = subscribe("nur Worpswede", "nur Baustellen")
    assert (set(subscriber.places), set(subscriber.topics)) == ({"Worpswede"}, {"baustellen"})
    assert (
        "Zu Baustellen erhalten Sie nur Meldungen für Worpswede."
        in play_dialogue("Start", "nur Worpswede", "nur Baustellen", "Themen")[1]
    )
    assert subscribe("nur Worpswede", "alle Gemeinden").places == frozenset()
    assert subscribe("nur Worpswede", "Stop", "Start").places == frozenset()


def test_whoever_gets_messages_for_all_places_loses_none_by_adding_one() -> None:
    everywhere, answer = play_dialogue("Start", "Lilienthal dazu")
    more, _ = play_dialogue("Start", "nur Sperrungen", "auch Baustellen in Worpswede")
    local, _ = play_dialogue("Start", "nur Stellen", "auch Baustellen in Worpswede")
    assert everywhere is not None
    assert more is not None
    assert local is not None
    assert (everywhere.topics, everywhere.places) == (COUNTY.topic_ids, frozenset())
    assert answer.startswith("Zu Baustellen und Straßensperrungen erhalten Sie Meldungen für alle Gemeinden.")
    assert (more.topics, more.places) == (frozenset({"baustellen", "strassensperrungen"}), frozenset())
    assert (local.topics, local.places) == (frozenset({"baustellen", "stellen"}), frozenset({"Worpswede"}))


@pytest.mark.parametrize(
    "text", ["nur Baustellen", "Pause", "weiter", "auch Stellen", "Stop Stellen", "Lilienthal", "Strat"]
)
def test_nothing_but_a_start_subscribes(text: str) -> None:
    for before in ([], ["Stop"], ["Start", "Stop"]):
        subscriber, answer = play_dialogue(*before, text)
        assert subscriber is None or not subscriber.subscribed
        assert "Start" in answer


def test_a_pause_ends_by_itself_and_by_word() -> None:
    paused = subscribe("Pause 2 Wochen")
    assert paused.paused_until is not None
    assert paused.is_paused(NOON)
    assert not paused.is_paused(paused.paused_until)
    assert subscribe("Pause 2 Wochen", "weiter").paused_until is None
    assert "Pause bis einschließlich 4. Dezember 2026" in play_dialogue("Start", "Pause 2 Wochen")[1]
    assert "angemeldet" in play_dialogue("Start", "weiter")[1]


@pytest.mark.parametrize(
    ("parsed", "last"),
    [
        (ParsedIntent(intent=Intent.PAUSE), "4. Dezember 2026"),
        (ParsedIntent(intent=Intent.PAUSE, days=1), "21. November 2026"),
        (ParsedIntent(intent=Intent.PAUSE, until=Day(24, 12)), "24. Dezember 2026"),
        (ParsedIntent(intent=Intent.PAUSE, until=Day(5, 1)), "5. Januar 2027"),
        (ParsedIntent(intent=Intent.PAUSE, until=Day(31, 2)), "4. Dezember 2026"),
        (ParsedIntent(intent=Intent.PAUSE, until=Day(1, 1, 2020)), "4. Dezember 2026"),
        (ParsedIntent(intent=Intent.PAUSE, until=Day(1, 1, 2090)), "21. November 2027"),
    ],
)
def test_a_pause_lasts_whole_days_of_the_county(parsed: ParsedIntent, last: str) -> None:
    assert format_day(calculate_pause(parsed, NOON)[0] - timedelta(seconds=1)) == last


def test_an_emergency_is_answered_each_time() -> None:
    _, decisions, _ = converse(*["Notruf"] * 30, pause=1)
    assert {decision.result for decision in decisions} == {MessageResult.EMERGENCY}
    assert {decision.reply and decision.reply.wording for decision in decisions} == {TEXTS.emergency}
    assert "112" in TEXTS.emergency.text
    assert "110" in TEXTS.emergency.text


def test_two_machines_stop_answering_each_other_but_a_stop_still_counts() -> None:
    subscriber, decisions, conversation = converse("Start", *["Hilfe"] * 199, pause=1)
    answered = sum(decision.reply is not None for decision in decisions)
    assert answered <= MAX_ANSWERS + timedelta(seconds=200) / REFILL_INTERVAL
    stopped, outcome = understand_message(
        subscriber, build_message("Stop", seconds=300), build_context(conversation=conversation)
    )
    assert stopped is not None
    assert (stopped.subscribed, outcome.result) == (False, MessageResult.ENDED)


def test_a_machine_s_own_words_are_not_answered() -> None:
    assert play_dialogue("Vielen Dank für Ihre Nachricht. Wir sind derzeit nicht im Büro.")[1] == ""


@pytest.mark.parametrize("kind", ["audio", "image", "video", "location", "contacts", "document", "sticker"])
def test_what_is_not_text_gets_the_hint_once_a_day(kind: str) -> None:
    _, first = understand_message(None, build_message(None, kind=kind, seconds=5), build_context(seconds=6))
    assert (first.reply and first.reply.wording, first.conversation and first.conversation.hinted_at) == (
        TEXTS.hint,
        build_time(5),
    )
    _, second = understand_message(
        None,
        build_message(None, kind=kind, seconds=5),
        build_context(seconds=6, hinted_at=build_time(5) - HINT_INTERVAL / 2),
    )
    assert (second.result, second.reply) == (MessageResult.QUIET, None)


def test_the_record_says_what_is_known_and_nothing_about_strangers() -> None:
    stranger = play_dialogue("Daten")[1]
    assert "Anmeldung: keine" in stranger
    known = play_dialogue("Start", "nur Baustellen", "nur Worpswede", "Pause 3 Tage", "Meine Daten")[1]
    for part in ("angemeldet, Themen: Baustellen", "Gemeinden: Worpswede", "Pause bis", COUNTY.privacy_url):
        assert part in known


@pytest.mark.parametrize(
    "question",
    [
        "Themen",
        "Bin ich noch angemeldet?",
        "Ist meine Anmeldung bei Ihnen angekommen?",
        "Bin ich jetzt abgemeldet oder nicht?",
        "Was habe ich abonniert?",
        "Welche Orte habe ich ausgewählt?",
        "Wie lange läuft meine Pause noch?",
    ],
)
def test_whoever_asks_is_told_whether_they_are_subscribed_and_to_what(question: str) -> None:
    told = play_dialogue("Start", "nur Baustellen", "nur Worpswede", "Pause 3 Tage", question)[1]
    assert told.startswith(
        "Sie sind angemeldet. Ihre Themen: Baustellen. Zu Baustellen erhalten Sie nur Meldungen für "
    )
    assert "Worpswede. Pause bis einschließlich" in told
    assert play_dialogue(question)[1].startswith("Sie sind nicht angemeldet.")


SAID = Feedback(
    id=UUID(int=1), kind=FeedbackKind.TEXT, at=NOON, author=b"a", text="Sehr gut, danke!\nAuch für Worpswede."
)
TAPPED = (
    Feedback(id=UUID(int=2), kind=FeedbackKind.RATING, at=NOON, author=b"a", value="bad", topic="stellen"),
    Feedback(id=UUID(int=3), kind=FeedbackKind.REACTION, at=NOON, author=b"a", value="👍", topic="entfallen"),
)


def test_the_record_repeats_what_somebody_said() -> None:
    answer = build_access_report(None, StoredState(feedback=(SAID, *TAPPED)), ANSWERS, NOON).text
    assert "20.11.2026 13 Uhr: „Sehr gut, danke!\nAuch für Worpswede.“" in answer
    assert "20.11.2026 13 Uhr zu Stellen: Nicht hilfreich" in answer
    assert "20.11.2026 13 Uhr zu entfallen: 👍" in answer
    assert "Rückmeldungen von Ihnen: keine" in build_access_report(None, NOTHING_STORED, ANSWERS, NOON).text


def test_the_record_tells_what_was_stopped_inside_whatsapp() -> None:
    subscriber = replace(subscribe(), suspended=frozenset({"stellen"}))
    assert "In WhatsApp abbestellt: Stellen" in build_access_report(subscriber, NOTHING_STORED, ANSWERS, NOON).text


def test_the_record_tells_which_topics_were_refused() -> None:
    report = build_access_report(subscribe("Stop Stellen"), NOTHING_STORED, ANSWERS, NOON).text
    assert "\nAbbestellt: Stellen\n" in report


def test_a_record_that_is_too_long_comes_part_by_part_and_nothing_is_left_out() -> None:
    texts = [f"Meinung {number}: " + "😀" * number for number in range(1, 300, 7)]
    feedback = tuple(replace(SAID, text=text) for text in texts)
    first = build_access_report(None, StoredState(feedback=feedback), ANSWERS, NOON).text
    count = int(re.findall(r"Teil 1 von (\d+):", first)[0])
    parts = [
        build_access_report(None, StoredState(feedback=feedback), ANSWERS, NOON, part).text
        for part in range(1, count + 1)
    ]
    assert count > 2
    assert all(count_units(part) <= MAX_TEXT_LENGTH and build_reply_body(part, ()) for part in parts)
    told = [f"Nächster Teil: Daten {number}" in part for number, part in enumerate(parts, 2)]
    assert told == [True] * (count - 1) + [False]
    assert [text for text in texts if not any(f"„{text}“" in part for part in parts)] == []
    assert build_access_report(None, StoredState(feedback=feedback), ANSWERS, NOON, 999).text == parts[-1]


@given(st.lists(st.text(max_size=60), max_size=30), st.integers(10, 80))
def test_parts_hold_everything_in_order_and_none_is_too_long(lines: list[str], longest: int) -> None:
    parts = split_into_parts(lines, longest)
    assert all(count_units(part) <= longest for part in parts)
    assert "".join(parts).replace("\n", "") == "".join(lines).replace("\n", "")


@pytest.mark.parametrize(
    ("text", "part"), [("Daten", 1), ("Daten 2", 2), ("meine daten teil 12", 12), ("Daten2", 2), ("Daten 0", 1)]
)
def test_a_part_is_asked_for_by_its_number(text: str, part: int) -> None:
    parsed = detect_text_intent(CitizenText(text), COUNTY)
    assert (parsed.intent, max(1, parsed.part)) == (Intent.DATA, part)


def test_erasing_ends_everything_and_says_what_remains_until_when() -> None:
    subscriber, answer = play_dialogue("Start", "Löschen")
    assert subscriber is not None
    assert not subscriber.subscribed
    for part in ("gelöscht", "abgemeldet", "Nachweis", "2026", "2029"):
        assert part in answer


@given(st.lists(TEXT, max_size=6), st.sampled_from(["Stop", "Löschen", "Abmelden", "stpo", "🛑"]))
def test_a_stop_from_any_state_ends_unsubscribed(before: list[str], stop: str) -> None:
    subscriber, _ = play_dialogue(*before, stop)
    assert subscriber is not None
    assert (subscriber.subscribed, subscriber.topics, subscriber.places) == (False, frozenset(), frozenset())


@given(st.lists(TEXT, max_size=4), TEXT)
def test_saying_the_same_again_changes_nothing_more(before: list[str], text: str) -> None:
    """But for "Start", which ends a pause or a question first, and selects all topics the second time."""
    once, _ = play_dialogue(*before, text)
    twice, _ = play_dialogue(*before, text, text)
    starts = detect_text_intent(CitizenText(text), COUNTY).intent is Intent.START
    assert _state(once) == _state(twice) or (starts and once and twice)


def _state(subscriber: Subscriber | None) -> object:
    """Return what somebody gets; a pause is compared by its being there."""
    if subscriber is None:
        return None
    return subscriber.subscribed, subscriber.topics, subscriber.places, subscriber.paused_until is not None


@given(st.lists(TEXT, min_size=1, max_size=6))
def test_every_answer_can_be_sent_is_short_and_formal(texts: list[str]) -> None:
    subscriber: Subscriber | None = None
    for number, text in enumerate(texts, 1):
        subscriber, outcome = understand_message(
            subscriber, build_message(text, seconds=number), build_context(seconds=number)
        )
        if outcome.reply:
            assert build_reply_body(outcome.reply.text, outcome.reply.buttons, outcome.reply.menu)
            assert len(outcome.reply.text) <= 1_024
            assert not {"du", "dein", "dir"} & set(outcome.reply.text.lower().split())


def test_lists_fit_into_whatsapp_and_each_row_does_what_it_says() -> None:
    for menu in (build_topic_menu(COUNTY, frozenset({"stellen"})), build_place_menu(COUNTY)):
        assert build_reply_body("Liste", (), menu)
    rows = [row for section in build_topic_menu(COUNTY, frozenset({"stellen"})).sections for row in section.rows]
    dropped = next(row for row in rows if row.title == "Stellen")
    assert (dropped.id, dropped.description) == ("remove:stellen", "Abbestellen")
    for row in rows:
        subscriber, _ = understand_message(
            subscribe(),
            build_message(row.title, kind="interactive", payload=row.id, seconds=90),
            build_context(seconds=91),
        )
        assert subscriber is not None
        assert subscriber.topics == COUNTY.topic_ids - ({"stellen"} if row is dropped else set()) or "Nur" in row.title


def test_numbers_in_the_list_are_those_that_are_understood() -> None:
    text = play_dialogue("Start", "Themen")[1]
    for number, topic in enumerate(COUNTY.topics, 1):
        assert f"{number} {topic.title}" in text
        assert subscribe(str(number)).topics == {topic.id}


def test_a_stop_overtaken_by_a_choice_still_counts_and_an_older_choice_does_not() -> None:
    chosen, _ = understand_message(subscribe(), build_message("nur Stellen", seconds=50), build_context(seconds=51))
    stopped, _ = understand_message(chosen, build_message("Stop", seconds=40), build_context(seconds=52))
    assert stopped is not None
    assert not stopped.subscribed
    late, outcome = understand_message(chosen, build_message("nur Baustellen", seconds=45), build_context(seconds=52))
    assert (late, outcome.result) == (chosen, MessageResult.OUTDATED)


def test_what_was_said_before_an_erasure_counts_no_more() -> None:
    where = build_context(erased=MessageTime(build_time(9), build_time(9)))
    assert understand_message(None, build_message("Start", seconds=5), where)[1].result is MessageResult.OUTDATED
    assert understand_message(None, build_message("Start", seconds=10), where)[1].result is MessageResult.STARTED

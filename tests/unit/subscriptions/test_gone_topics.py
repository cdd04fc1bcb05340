"""Topics and places that are no longer in the county's file, while buttons, questions and rows still name them."""

from dataclasses import replace

import msgspec
import pytest

from services.subscriptions.domain.consent import ConsentEvent, build_consent
from services.subscriptions.domain.conversation import NEW_CONVERSATION, Conversation
from services.subscriptions.domain.decision import Decision, MessageResult
from services.subscriptions.domain.intents.intent import Intent, ParsedIntent, build_start_payload
from services.subscriptions.domain.privacy import StoredState, build_access_report
from services.subscriptions.domain.replies import ReplyBuilder
from services.subscriptions.domain.subscriber import MessageTime, Subscriber, apply_preference
from tests.factories.citizens import (
    COUNTY,
    TEXTS,
    build_context,
    build_message,
    build_preference,
    build_time,
    parse_message,
    subscribe,
    understand_message,
)

LATER = msgspec.structs.replace(
    COUNTY,
    topics=tuple(topic for topic in COUNTY.topics if topic.id != "stellen"),
    municipalities=tuple(place for place in COUNTY.municipalities if place != "Grasberg"),
    localities=tuple(each for each in COUNTY.localities if each.municipality != "Grasberg"),
    systems=(),
)
REPLIES = ReplyBuilder(LATER)


def say(
    subscriber: Subscriber | None,
    text: str,
    *,
    payload: str | None = None,
    seconds: float = 100,
    conversation: Conversation = NEW_CONVERSATION,
) -> Decision:
    """Return what follows from a message, or a tapped button, after the file has changed."""
    message = build_message(text, kind="interactive" if payload else "text", payload=payload, seconds=seconds)
    context = build_context(seconds=seconds + 1, conversation=conversation)
    return understand_message(subscriber, message, context, LATER)[1]


@pytest.mark.parametrize(
    ("payload", "label", "parsed"),
    [
        ("start:stellen", "Start", ParsedIntent(intent=Intent.ASK_START)),
        ("start:;Grasberg", "Start", ParsedIntent(intent=Intent.ASK_START)),
        ("start:;", "Start", ParsedIntent(intent=Intent.ASK_START)),
        (
            "start:baustellen;Grasberg",
            "Start",
            ParsedIntent(intent=Intent.ASK_START, topics=frozenset({"baustellen"})),
        ),
        (
            "start:stellen;Worpswede",
            "Start",
            ParsedIntent(intent=Intent.ASK_START, places=frozenset({"Worpswede"})),
        ),
        ("start:baustellen,stellen", "Start", ParsedIntent(intent=Intent.START, topics=frozenset({"baustellen"}))),
        ("only:stellen", "Nur Baustellen", ParsedIntent(intent=Intent.TOPICS)),
        ("add:stellen", "Stellen", ParsedIntent(intent=Intent.TOPICS)),
        ("remove:stellen", "Baustellen", ParsedIntent(intent=Intent.TOPICS)),
        ("places:Grasberg", "Worpswede", ParsedIntent(intent=Intent.PLACES)),
    ],
)
def test_a_button_that_names_nothing_known_asks_and_its_label_does_not_count(
    payload: str, label: str, parsed: ParsedIntent
) -> None:
    message = build_message(label, kind="interactive", payload=payload)
    assert parse_message(message, LATER) == parsed


@pytest.mark.parametrize("answer", ["Start", "Ja", "Ja bitte"])
@pytest.mark.parametrize(
    "asked", [build_start_payload(COUNTY, ["stellen"]), build_start_payload(COUNTY, [], ["Grasberg"])]
)
def test_an_answer_to_a_question_about_what_is_gone_subscribes_to_nothing(asked: str, answer: str) -> None:
    conversation = Conversation(open_question=asked, counted_at=build_time(0))
    decision = say(None, answer, conversation=conversation)
    assert (decision.subscriber, decision.reply) == (None, REPLIES.ask_start())
    assert say(None, "Start", payload=asked, conversation=conversation).subscriber is None
    again = say(None, answer, conversation=Conversation(open_question="start", counted_at=build_time(0))).subscriber
    assert again is not None
    assert again.topics == LATER.topic_ids


def test_whoever_drops_one_of_the_topics_that_exist_keeps_the_others() -> None:
    decision = say(subscribe(), "keine Baustellen mehr")
    assert decision.subscriber is not None
    assert decision.subscriber.topics == COUNTY.topic_ids - {"baustellen"}
    assert decision.result is MessageResult.TOPICS_REMOVED


def test_whoever_drops_the_last_topic_that_exists_is_unsubscribed() -> None:
    decision = say(subscribe("nur Stellen", "auch Baustellen"), "keine Baustellen mehr")
    assert decision.subscriber is not None
    assert (decision.result, decision.subscriber.subscribed) == (MessageResult.ENDED, False)
    assert decision.reply is not None
    assert decision.reply.wording == TEXTS.unsubscribe_confirmation


def test_whoever_has_only_topics_that_are_gone_is_told_so() -> None:
    for text in ("Themen", "weiter", "nur Worpswede"):
        reply = say(subscribe("nur Stellen"), text).reply
        assert reply is not None
        assert "Ihre bisherigen Themen gibt es nicht mehr." in reply.text
        assert ": ." not in reply.text


def test_a_start_that_ends_a_pause_of_topics_that_are_gone_is_for_all() -> None:
    decision = say(subscribe("nur Stellen", "Pause 2 Wochen"), "Start")
    assert decision.subscriber is not None
    assert decision.subscriber.topics == LATER.topic_ids
    paused = subscribe("nur Baustellen", "Pause 2 Wochen")
    people = [say(paused, text).subscriber for text in ("Start", "Start Baustellen")]
    # One decides about all topics, the other about one.
    resumed, named = (replace(person, chosen_at=None, topic_times={}) for person in people if person)
    assert resumed == named


def test_a_stop_in_the_app_that_leaves_no_topic_that_exists_is_a_complete_one() -> None:
    utility = next(topic.id for topic in COUNTY.topics if topic.id in COUNTY.topic_ids - COUNTY.marketing_topics)
    marketing = next(iter(COUNTY.marketing_topics))
    later = msgspec.structs.replace(
        COUNTY, topics=tuple(topic for topic in COUNTY.topics if topic.id != utility), systems=()
    )
    before = replace(subscribe(), topics=frozenset({utility, marketing}))
    result = apply_preference(before, build_preference("stop", seconds=60), later)
    assert result is not None
    assert (result.subscribed, result.topics) == (False, frozenset())
    restored = apply_preference(result, build_preference("resume", seconds=70), later)
    assert restored is not None
    assert restored.topics == {marketing}


def test_the_record_names_topics_that_are_gone() -> None:
    moment = MessageTime(build_time(0), build_time(0))
    subscriber = replace(subscribe("nur Stellen, Baustellen"), suspended=frozenset({"stellen"}))
    given = build_consent(subscriber, ConsentEvent.GIVEN, moment, b"", frozenset({"stellen"}))
    record = build_access_report(subscriber, StoredState(history=(given,)), REPLIES, build_time(0)).text
    assert "angemeldet, Themen: Baustellen, stellen\n" in record
    assert "In WhatsApp abbestellt: stellen\n" in record
    assert "20.11.2026 13:00 Einwilligung: stellen\n" in record

"""Replies to our questions, and the choice that a stranger made before "Start"."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.subscriptions.domain.conversation import MAX_QUESTION_AGE, Conversation, is_no, is_yes
from services.subscriptions.domain.decision import MessageResult
from services.subscriptions.domain.intents.text import CitizenText
from services.subscriptions.domain.subscriber import Subscriber
from tests.factories.citizens import COUNTY, TEXTS, build_context, build_message, converse, understand_message

HOW = "Wie kann ich mich anmelden?"


def ask(*texts: str, pause: float = 10) -> tuple[Subscriber | None, str, Conversation]:
    """Return the person, the last answer and the conversation after these messages."""
    subscriber, decisions, conversation = converse(*texts, pause=pause)
    reply = decisions[-1].reply
    return subscriber, reply.text if reply else "", conversation


def is_subscribed(*texts: str, pause: float = 10) -> bool:
    subscriber, *_ = ask(*texts, pause=pause)
    return subscriber is not None and subscriber.subscribed


@pytest.mark.parametrize(
    "yes", ["Ja", "ja bitte", "Ja, gerne!", "jo", "jawohl", "gern", "Ja ich möchte", "klar", "Evet"]
)
def test_a_yes_after_the_question_whether_to_subscribe_subscribes(yes: str) -> None:
    assert is_subscribed(HOW, yes)
    assert not is_subscribed(yes)
    assert not is_subscribed("Hilfe", yes)


@pytest.mark.parametrize("no", ["nein", "Nein danke", "nö", "lieber nicht", "nee", "Nein, das möchte ich nicht"])
def test_a_no_changes_nothing_and_is_answered(no: str) -> None:
    subscriber, answer, conversation = ask(HOW, no)
    assert (subscriber, answer, conversation.open_question) == (None, TEXTS.not_subscribed.text, "")
    subscriber, answer, conversation = ask("Start", "Das nervt", no)
    assert subscriber is not None
    assert subscriber.subscribed
    assert answer.startswith("Sie sind angemeldet.")
    assert is_subscribed("Start", "Das nervt", no, "Ja")


def test_a_yes_after_the_question_whether_to_leave_leaves() -> None:
    assert not is_subscribed("Start", "Das nervt", "Ja bitte")
    assert is_subscribed("Start", "Ja bitte")


@pytest.mark.parametrize(("asked", "subscribed"), [((HOW,), False), (("Start", "Das nervt"), True)])
def test_other_answers_do_not_keep_a_question_open_for_longer(asked: tuple[str, ...], subscribed: bool) -> None:
    sixteen_hours = MAX_QUESTION_AGE.total_seconds() / 1.5
    assert is_subscribed(*asked, "Hilfe", "Ja", pause=sixteen_hours) is subscribed
    assert is_subscribed(*asked, "Hilfe", "Ja", pause=sixteen_hours / 2) is not subscribed
    *_, conversation = ask(*asked, "Hilfe", "Warum", pause=sixteen_hours)
    assert (conversation.open_question, conversation.asked_at) == ("", None)


def test_whoever_is_subscribed_is_not_asked_to_subscribe() -> None:
    assert ask("Start", HOW)[1].startswith("Sie sind angemeldet.")


def test_whoever_goes_on_has_answered_the_question_whether_to_leave() -> None:
    assert is_subscribed("Start", "Das nervt", "Weiter", "Ja")


def test_a_yes_erases_nothing() -> None:
    subscriber, _, conversation = ask("Start")
    where = build_context(seconds=61, conversation=replace(conversation, open_question="ask_erase"))
    _, outcome = understand_message(subscriber, build_message("Ja", seconds=60), where)
    assert (outcome.result, outcome.reply and outcome.reply.wording) == (MessageResult.INFORMED, TEXTS.ask_erase)


def test_a_question_does_not_stay_open_for_ever_and_a_yes_does_not_come_before_it() -> None:
    assert not is_subscribed(HOW, "Ja", pause=MAX_QUESTION_AGE.total_seconds() + 2)
    _, _, asked = ask(HOW)
    assert asked.asked_at is not None
    late = replace(asked, asked_at=asked.asked_at + timedelta(minutes=1))
    _, outcome = understand_message(None, build_message("Ja", seconds=30), build_context(seconds=90, conversation=late))
    assert outcome.result is MessageResult.HINTED


def test_what_a_stranger_chose_is_kept_until_their_start() -> None:
    for said in ("Start", "Ja", "anmelden bitte"):
        subscriber, answer, _ = ask("nur Worpswede", "nur Baustellen", "Hilfe", said)
        assert subscriber is not None
        assert (set(subscriber.places), set(subscriber.topics)) == ({"Worpswede"}, {"baustellen"})
        assert "Zu Baustellen erhalten Sie nur Meldungen für Worpswede." in answer
    _, answer, _ = ask("nur Worpswede")
    assert "Meldungen für Worpswede erhalten" in answer
    subscriber, *_ = ask("nur Worpswede", "Start Stellen")
    assert subscriber is not None
    assert set(subscriber.topics) == {"stellen"}


@pytest.mark.parametrize(
    "said",
    ["Start Worpswede", "Start in Worpswede", "Anmeldung Worpswede bitte", "Ich möchte mich für Worpswede anmelden"],
)
@pytest.mark.parametrize("start", ["Start", "Ja"])
def test_a_place_named_with_a_start_is_asked_about_and_kept(said: str, start: str) -> None:
    subscriber, answer, _ = ask(said)
    assert (subscriber, "Meldungen für Worpswede erhalten" in answer) == (None, True)
    subscriber, *_ = ask(said, start)
    assert subscriber is not None
    assert set(subscriber.places) == {"Worpswede"}


@pytest.mark.parametrize(
    ("said", "places", "topics"),
    [("nur Sperrungen in Worpswede", {"Worpswede"}, {"strassensperrungen"}), ("nur Baustellen", set(), {"baustellen"})],
)
def test_the_button_knows_what_a_stranger_chose(said: str, places: set[str], topics: set[str]) -> None:
    _, outcome = understand_message(None, build_message(said))
    assert outcome.reply is not None
    (button,) = outcome.reply.buttons
    subscriber, _ = understand_message(None, build_message("Start", kind="interactive", payload=button.id))
    assert subscriber is not None
    assert (set(subscriber.places), set(subscriber.topics)) == (places, topics)


def test_all_after_the_question_about_places_means_places() -> None:
    subscriber, answer, _ = ask("Start", "nur Baustellen", "nur Worpswede", "Gemeinden", "alle")
    assert subscriber is not None
    assert (set(subscriber.places), set(subscriber.topics)) == (set(), {"baustellen"})
    subscriber, answer, _ = ask("Start", "nur Baustellen", "nur Worpswede", "alle")
    assert subscriber is not None
    assert len(subscriber.topics) > 1
    assert "Orte ändern: Gemeinden" in answer


def test_all_after_the_list_of_topics_means_topics_although_places_were_asked_about_before() -> None:
    subscriber, _, _ = ask("Start", "nur Baustellen", "nur Worpswede", "Gemeinden", "Themen", "alle")
    assert subscriber is not None
    assert (set(subscriber.places), subscriber.topics) == ({"Worpswede"}, COUNTY.topic_ids)


@pytest.mark.parametrize("between", ["Themen", "Daten", "Warum", "Hilfe"])
def test_only_the_next_message_is_an_opinion(between: str) -> None:
    _, answer, _ = ask("Start", "Feedback", between, "Wann hat die Zulassungsstelle auf?")
    assert answer == TEXTS.hint.text


@pytest.mark.parametrize(
    "text",
    ["Bitte nicht abmelden, das ist toll", "Nicht stoppen bitte, ich finde das gut", "Bloß nicht aufhören, ist super"],
)
def test_an_opinion_is_one_if_it_was_asked_for(text: str) -> None:
    _, answer, _ = ask("Feedback", text)
    assert answer == TEXTS.feedback_thanks.text
    _, answer, _ = ask(text)
    assert answer != TEXTS.feedback_thanks.text
    subscriber, answer, _ = ask("Start", text)
    assert answer != TEXTS.feedback_thanks.text
    assert subscriber is not None
    assert subscriber.subscribed


@pytest.mark.parametrize(
    "text",
    [
        "Bitte mehr Veranstaltungen für Kinder",
        "Mehr Flohmärkte bitte",
        "Bitte früher über Sperrungen in Lilienthal informieren",
        "zu viele Stellenanzeigen",
        "Wieso kommen nur Sperrungen in Lilienthal?",
    ],
)
def test_an_opinion_about_topics_that_was_asked_for_chooses_none(text: str) -> None:
    subscriber, answer, _ = ask("Start", "Feedback", text)
    assert answer == TEXTS.feedback_thanks.text
    assert subscriber is not None
    assert (subscriber.topics, subscriber.places) == (COUNTY.topic_ids, frozenset())


@pytest.mark.parametrize(
    ("text", "topics"),
    [
        ("nur Baustellen", {"baustellen"}),
        ("Kann ich nur Baustellen haben?", {"baustellen"}),
        ("Bitte keine Jobs mehr", COUNTY.topic_ids - {"stellen"}),
    ],
)
def test_a_plain_choice_is_one_also_where_an_opinion_was_asked_for(text: str, topics: set[str]) -> None:
    subscriber, _, _ = ask("Start", "Feedback", text)
    assert subscriber is not None
    assert subscriber.topics == topics


def test_a_question_with_buttons_tells_what_to_write() -> None:
    for wording, words in (
        (TEXTS.ask_start, ("Start", "Ja")),
        (TEXTS.ask_stop, ("Stop", "Ja")),
        (TEXTS.ask_both, ("schreiben Sie Start", "schreiben Sie Stop")),
    ):
        assert all(word in wording.text for word in words)


@pytest.mark.parametrize("text", ["Ja?", "ja aber nein", "ok", "Ja zu Baustellen", "Danke", "👍", "", "x" * 500])
def test_not_everything_is_a_yes(text: str) -> None:
    assert not is_yes(CitizenText(text))


@pytest.mark.parametrize("text", ["Nein?", "kein Problem, gern", "", "ja"])
def test_not_everything_is_a_no(text: str) -> None:
    assert not is_no(CitizenText(text))

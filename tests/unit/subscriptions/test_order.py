"""Two messages of one person that overtake each other: both count unless the newer one is about the same thing."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import accumulate, permutations, product
from operator import itemgetter

import pytest

from services.subscriptions.domain.decision import MessageResult
from services.subscriptions.domain.subscriber import MessageTime, Subscriber, apply_preference
from tests.factories.citizens import (
    COUNTY,
    build_context,
    build_message,
    build_preference,
    build_time,
    subscribe,
    understand_message,
)

CHOICES = ("nur Stellen", "auch Baustellen", "nur Worpswede", "alle Gemeinden")
DROPS = ("Stop Stellen", "Stop Baustellen")
PAUSES = ("Pause 2 Wochen", "Weiter")


def hear(before: Subscriber, *said: tuple[str, float]) -> Subscriber:
    """Return the subscriber after these messages, handled in this order, without their number."""
    subscriber: Subscriber | None = before
    for text, seconds in said:
        subscriber, _ = understand_message(subscriber, build_message(text, seconds=seconds), build_context(seconds=200))
    assert subscriber is not None
    return replace(subscriber, sequence=0)


@pytest.mark.parametrize("pause", PAUSES)
@pytest.mark.parametrize("choice", [*CHOICES, "Stop Stellen"])
@pytest.mark.parametrize("before", [(), ("Pause 3 Tage",), ("nur Baustellen, Stellen",)])
def test_a_choice_and_a_pause_that_overtake_each_other_both_count(
    before: tuple[str, ...], choice: str, pause: str
) -> None:
    person = subscribe(*before)
    for first, second in permutations((choice, pause)):
        said = ((first, 100), (second, 101))
        assert hear(person, *reversed(said)) == hear(person, *said)


@pytest.mark.parametrize(
    "choices",
    [
        *permutations((*CHOICES, *DROPS, "nur Grasberg", "Start", "Start Stellen"), 2),
        *permutations((*CHOICES[:3], *DROPS, "Start", "Start Stellen"), 3),
    ],
)
def test_choices_count_alike_in_whichever_order_they_arrive(choices: tuple[str, ...]) -> None:
    """Unless the subscription ends amid them: an older choice does not bring somebody back."""
    said = [(text, 100 + number) for number, text in enumerate(choices)]
    in_order, *others = (choose_in_turn(order) for order in permutations(said))
    may_end = choices[0] == "nur Stellen" and choices[-1] == "Stop Stellen"  # if they arrive first
    assert in_order is None or all(other == in_order or (may_end and other is None) for other in others)


def choose_in_turn(said: Iterable[tuple[str, float]]) -> tuple[frozenset[str], frozenset[str]] | None:
    """Return the topics and places in the end; None if the subscription ended on the way."""
    steps = [*accumulate(said, hear, initial=subscribe())]
    return (steps[-1].topics, steps[-1].places) if all(step.subscribed for step in steps) else None


def test_any_two_messages_count_alike_in_both_orders() -> None:
    texts = (*CHOICES, *DROPS, *PAUSES, "auch Stellen", "Start", "Start Stellen", "Stop", "Löschen", "app stop")
    for first, second in product(texts, texts):
        said = ((first, 100), (second, 102))
        in_order, reversed_order = hear_all(subscribe(), said), hear_all(subscribe(), said[::-1])
        assert reversed_order.topics == in_order.topics, said


@pytest.mark.parametrize(
    "said",
    [
        (("Stop Stellen", 104), ("Stop", 100), ("Start", 102)),
        (("Stop", 100), ("Stop Stellen", 104), ("Start", 102)),
        (("Stop", 100), ("app stop", 104), ("Start", 102)),
        (("app stop", 100), ("app stop", 104), ("auch Stellen", 102)),
        (("Stop Stellen", 104), ("nur Stellen", 100), ("Start Stellen", 102)),
    ],
)
def test_a_start_or_choice_that_arrives_last_brings_back_nothing_that_was_refused_later(
    said: tuple[tuple[str, float], ...],
) -> None:
    assert hear_all(subscribe(), said).topics == hear_all(subscribe(), sorted(said, key=itemgetter(1))).topics


def test_a_start_subscribes_nobody_to_nothing() -> None:
    refused = [(f"Stop {topic}", 110 + number) for number, topic in enumerate(("Stellen", "Veranstaltungen"))]
    after = hear_all(subscribe(), [("Stop", 100), *refused, ("Start Stellen und Veranstaltungen in Worpswede", 105)])
    assert (after.subscribed, after.topics) == (False, frozenset())


def test_a_stop_from_before_a_start_of_some_topics_ends_the_others() -> None:
    after = hear(subscribe(), ("Start Stellen", 101), ("Stop", 100))
    assert after.topics == {"stellen"}
    assert hear(subscribe(), ("Start", 101), ("Stop", 100)).topics == COUNTY.topic_ids


@pytest.mark.parametrize(
    ("topics", "said"),
    [
        ("Baustellen, Stellen, Veranstaltungen", (("Start Baustellen", 101), ("app stop", 110), ("Stop", 100))),
        ("Stellen, Veranstaltungen", (("Start Stellen", 101), ("app stop", 110), ("Stop", 100))),
        ("Stellen, Veranstaltungen", (("app stop", 110), ("Stop Stellen", 100))),
        ("Baustellen, Straßensperrungen, Stellen", (("app stop", 110), ("nur Baustellen", 100))),
        ("Baustellen, Stellen, Veranstaltungen", (("app stop", 110), ("nur Stellen", 100))),
        ("Baustellen, Stellen", (("Start Stellen", 101), ("Löschen", 100))),
        ("Baustellen, Stellen", (("nur Stellen", 105), ("app stop", 101))),
        ("Baustellen, Stellen", (("Start Stellen", 101), ("Start Stellen in Worpswede", 100))),
        ("Baustellen, Straßensperrungen, Stellen", (("app stop", 109), ("Stop Baustellen", 100))),
        ("Baustellen, Stellen", (("app stop", 109), ("Pause 2 Wochen", 100))),
        ("Baustellen, Stellen", (("app stop", 109), ("Stop", 100))),
    ],
)
def test_late_messages_beside_a_stop_in_the_app_count_as_if_in_order(
    topics: str, said: tuple[tuple[str, float], ...]
) -> None:
    person = subscribe(f"nur {topics}")
    late, in_order = (
        prefer(hear_all(person, order), "resume", 120) for order in (said, sorted(said, key=itemgetter(1)))
    )
    assert late.paused_until == in_order.paused_until
    assert (late.topics, late.places) == (in_order.topics, in_order.places)


def prefer(person: Subscriber, value: str, seconds: float) -> Subscriber:
    return apply_preference(person, build_preference(value, seconds=seconds), COUNTY) or person


def hear_all(person: Subscriber, said: Iterable[tuple[str, float]]) -> Subscriber:
    for text, seconds in said:
        is_in_app = text == "app stop"
        person = prefer(person, "stop", seconds) if is_in_app else hear(person, (text, seconds))
    return person


def test_a_start_from_before_a_stop_inside_whatsapp_brings_nothing_back() -> None:
    """The last other topic was stopped before both, and that arrives first."""
    person = subscribe("nur Baustellen, Stellen")
    fewer = person.suspend(COUNTY.marketing_topics, MessageTime(build_time(109), build_time(109)))
    assert fewer.topics == {"baustellen"}
    assert not hear(fewer, ("Stop Baustellen", 100), ("Start", 105)).subscribed


@pytest.mark.parametrize("seconds", [100, 101])
def test_the_later_of_two_messages_counts_also_if_both_come_in_one_webhook_within_a_second(seconds: float) -> None:
    later = hear(subscribe(), ("nur Worpswede", 100), ("nur Grasberg", seconds))
    later = hear(later, ("nur Stellen", 100), ("nur Baustellen", seconds))
    later = hear(later, ("Pause 3 Tage", 100), ("Weiter", seconds))
    assert (*later.topics, *later.places, later.paused_until) == ("baustellen", "Grasberg", None)
    assert not hear(later, ("Start", 101), ("Stop", 101)).subscribed


@pytest.mark.parametrize("newer", ["nur Stellen", "auch Stellen", "Start"])
def test_a_newer_choice_prevails_over_a_topic_that_was_stopped(newer: str) -> None:
    assert "stellen" in hear(subscribe(), (newer, 101), ("Stop Stellen", 100)).topics


@pytest.mark.parametrize("newer", ["Stop", "Pause 2 Wochen", "nur Stellen", "Start"])
@pytest.mark.parametrize(
    ("older", "result"), [("Feedback: zu viele Meldungen", MessageResult.FEEDBACK), ("Daten", MessageResult.SHOWN)]
)
def test_what_changes_no_subscription_is_not_overtaken(older: str, result: MessageResult, newer: str) -> None:
    person, _ = understand_message(subscribe(), build_message(newer, seconds=101), build_context(seconds=200))
    same, decision = understand_message(person, build_message(older, seconds=100), build_context(seconds=200))
    assert (decision.result, same) == (result, person)
    assert decision.reply is not None


@pytest.mark.parametrize("older", ["Feedback: zu viele Meldungen", "Daten"])
def test_what_was_written_before_an_erasure_is_outdated(older: str) -> None:
    erased = build_context(seconds=200, erased=MessageTime(build_time(101), build_time(101)))
    _, decision = understand_message(None, build_message(older, seconds=100), erased)
    assert decision.result is MessageResult.OUTDATED


def test_a_start_in_the_webhook_and_the_second_of_an_erasure_counts() -> None:
    start = build_message("Start", seconds=101)
    after, _ = understand_message(None, start, build_context(seconds=200, erased=MessageTime.read_from(start)))
    assert after is not None
    assert after.subscribed

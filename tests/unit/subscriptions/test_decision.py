from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.subscriptions.domain.change_sets import build_publications, decide_message
from services.subscriptions.domain.conversation import HINT_INTERVAL
from services.subscriptions.domain.decision import REPLY_WINDOW, Decision, MessageResult
from services.subscriptions.domain.intents.intent import Intent
from services.subscriptions.domain.privacy import StoredState
from services.subscriptions.domain.subscriber import (
    MessageTime,
    Subscriber,
    SubscriberState,
    find_newest,
    select_address,
)
from services.subscriptions.domain.wording import Wording
from shared.contracts.dispatch import ReplyRequested, Withdrawal
from shared.contracts.envelope import decode
from shared.contracts.events import SubscriptionEnded
from shared.contracts.inbound import InboundMessage
from tests.factories.citizens import (
    ANSWERS,
    COUNTY,
    TEXTS,
    add_message,
    build_context,
    build_message,
    build_time,
    build_user,
    parse_message,
    understand_message,
)

TALK = st.builds(
    build_message,
    st.sampled_from(["Start", "Stop", "Hallo"]) | st.text(max_size=20),
    seconds=st.integers(0, 50),
    lag=st.floats(0, 5),
    kind=st.sampled_from(["text", "text", "text", "button", "reaction", "audio"]),
    payload=st.none() | st.just("stop"),
    name=st.integers(),
)


def _wording(outcome: Decision) -> Wording | None:
    return outcome.reply.wording if outcome.reply else None


CONSENTS = st.lists(st.sampled_from(["Start", "Stop"]), min_size=1, max_size=8)


def find_after(messages: Sequence[InboundMessage]) -> Subscriber | None:
    """Return what becomes of a citizen who was unknown before these messages."""
    subscriber: Subscriber | None = None
    for each in messages:
        subscriber, _ = understand_message(subscriber, each, build_context(seconds=100))
    return subscriber


def after(messages: Sequence[InboundMessage]) -> Subscriber:
    """The same of somebody who is known then."""
    subscriber = find_after(messages)
    assert subscriber is not None
    return subscriber


def test_another_start_is_a_consent_and_answered_shortly() -> None:
    subscriber, outcome = understand_message(
        after([build_message("Start")]), build_message("Start", seconds=5), build_context(seconds=6)
    )
    assert subscriber is not None
    assert (subscriber.sequence, subscriber.started_at) == (2, MessageTime(build_time(5), build_time(5.3)))
    assert (outcome.result, outcome.reply) == (
        MessageResult.RENEWED,
        ANSWERS.build_already_subscribed(subscriber, build_time(6)),
    )


def test_a_stop_of_a_stranger_is_confirmed_and_remembered() -> None:
    subscriber, outcome = understand_message(None, build_message("Stop", seconds=5), build_context())
    assert subscriber is not None
    assert (subscriber.state, _wording(outcome)) == (SubscriberState.UNSUBSCRIBED, TEXTS.unsubscribe_confirmation)
    late, too_late = understand_message(subscriber, build_message("Start"), build_context())
    assert (late, too_late.result, too_late.reply) == (subscriber, MessageResult.OUTDATED, None)


def test_a_pause_that_its_end_overtakes_is_outdated() -> None:
    started = after([build_message("Start")])
    resumed, answered = understand_message(started, build_message("weiter", seconds=20), build_context(seconds=60))
    assert answered.result is MessageResult.INFORMED
    paused, outcome = understand_message(resumed, build_message("Pause 3 Tage", seconds=10), build_context(seconds=60))
    assert paused is not None
    assert (outcome.result, paused.paused_until, paused.sequence) == (MessageResult.OUTDATED, None, started.sequence)


@pytest.mark.parametrize("newer", ["Stop", "nur Stellen", "Pause 3 Tage"])
def test_an_erasure_that_a_newer_word_overtakes_is_done(newer: str) -> None:
    subscriber = after([build_message("Start"), build_message(newer, seconds=30)])
    _, outcome = understand_message(subscriber, build_message("Löschen", seconds=20), build_context(seconds=60))
    assert outcome.result is MessageResult.ERASED
    assert outcome.reply is not None


def test_an_erasure_that_a_newer_start_overtakes_is_outdated() -> None:
    subscriber = after([build_message("Start", seconds=30), build_message("Stop", seconds=40)])
    _, outcome = understand_message(subscriber, build_message("Löschen", seconds=20), build_context(seconds=60))
    assert outcome.result is MessageResult.OUTDATED


@pytest.mark.parametrize(
    "text",
    [
        "Ich möchte mich anmelden, Stellen interessieren mich nicht",
        "Bitte anmelden, aber ohne Stellenangebote",
        "Start ohne Stellen",
        "Nehmen Sie mich bitte auf, Stellen interessieren mich nicht",
    ],
)
def test_a_stranger_who_wants_to_join_without_a_topic_is_asked_about_the_others(text: str) -> None:
    stranger, outcome = understand_message(None, build_message(text), build_context())
    assert (stranger, outcome.reply) == (None, ANSWERS.ask_start(COUNTY.topic_ids - {"stellen"}))
    subscriber, _ = understand_message(after([build_message("Start")]), build_message(text, seconds=5), build_context())
    assert subscriber is not None
    assert subscriber.topics == COUNTY.topic_ids - {"stellen"}


@pytest.mark.parametrize("text", ["Keine Stellen mehr", "Ich möchte mich von den Stellen abmelden"])
def test_a_stranger_who_only_drops_a_topic_is_not_asked_to_join(text: str) -> None:
    _, outcome = understand_message(None, build_message(text), build_context())
    assert _wording(outcome) == TEXTS.not_subscribed


@pytest.mark.parametrize("newer", ["Pause 2 Wochen", "nur Stellen", "nur Worpswede"])
def test_a_start_that_a_newer_word_overtakes_undoes_none_of_it(newer: str) -> None:
    """It is still a start: a stop from before it counts no more."""
    before = after([build_message("Start"), build_message(newer, seconds=20)])
    late, outcome = understand_message(before, build_message("Start", seconds=10), build_context(seconds=30))
    moment = MessageTime(build_time(10), build_time(10.3))
    chosen_at = find_newest(before.chosen_at, moment)
    assert late == replace(before, sequence=3, started_at=moment, chosen_at=chosen_at)
    assert (outcome.result, outcome.reply) == (
        MessageResult.RENEWED,
        ANSWERS.build_already_subscribed(late, build_time(30)),
    )
    _, stopped = understand_message(late, build_message("Stop", seconds=5), build_context(seconds=40))
    assert stopped.result is MessageResult.OUTDATED


def test_a_start_that_arrives_after_a_stop_and_a_newer_choice_has_the_topics_of_a_start() -> None:
    ended = after([build_message("Start"), build_message("nur Stellen", seconds=20), build_message("Stop", seconds=10)])
    again, _ = understand_message(ended, build_message("Start", seconds=15), build_context(seconds=30))
    assert again is not None
    assert again.topics == COUNTY.topic_ids


@pytest.mark.parametrize("said", [[], [build_message("Start")]])
def test_anything_else_gets_one_hint_in_24_hours(said: Sequence[InboundMessage]) -> None:
    subscriber = find_after(said)
    question = build_message("Wann haben Sie auf?", seconds=10)
    _, first = understand_message(subscriber, question, build_context(seconds=11))
    _, soon = understand_message(
        subscriber, question, build_context(seconds=11, hinted_at=build_time(10) - HINT_INTERVAL + timedelta(seconds=1))
    )
    _, later = understand_message(
        subscriber, question, build_context(seconds=11, hinted_at=build_time(10) - HINT_INTERVAL)
    )
    assert [_wording(outcome) for outcome in (first, soon, later)] == [TEXTS.hint, None, TEXTS.hint]


def test_a_message_of_yesterday_counts_but_cannot_be_answered() -> None:
    subscriber, outcome = understand_message(
        None, build_message("Start"), build_context(seconds=REPLY_WINDOW.total_seconds())
    )
    assert subscriber is not None
    assert (subscriber.subscribed, outcome.reply) == (True, None)


def test_a_clock_that_runs_ahead_does_not_silence_the_citizen() -> None:
    from_the_future = build_message("Start", seconds=3600, lag=-3595)
    subscriber = after([from_the_future, build_message("Stop", seconds=8)])
    assert not subscriber.subscribed


@pytest.mark.parametrize("lag", [-30 * 86_400.0, 3_600.0])
def test_a_reply_belongs_to_the_earlier_of_both_clocks(lag: float) -> None:
    said = build_message("Start", lag=lag)
    _, decision = understand_message(None, said, build_context(seconds=lag + 1))
    (reply,) = [UUID(one.message_id) for one in build_publications(said, None, decision) if one.key == "reply"]
    assert reply.int >> 80 == build_time(min(0.0, lag)).timestamp() * 1000


@pytest.mark.parametrize("text", ["Stop", "Löschen"])
def test_a_withdrawal_is_told_before_it_is_confirmed_and_again_with_the_confirmation(text: str) -> None:
    started, said = after([build_message("Start")]), build_message(text, seconds=5)
    context = add_message(build_context(seconds=6), said)
    told = decide_message(StoredState(by_user=started, by_phone=started), context).publications
    ended, reply = decode(told[0].body), decode(told[-1].body)
    assert isinstance(ended, SubscriptionEnded)
    assert isinstance(reply, ReplyRequested)
    assert (ended.subscriber, ended.sequence, ended.topic) == (started.id, 2, None)
    assert reply.withdrawal == Withdrawal(subscriber=started.id, sequence=2)


def test_whoever_comes_back_by_user_id_alone_is_reached_there() -> None:
    subscriber = after(
        [
            build_message("Start"),
            build_message("Stop", seconds=1),
            build_message("Start", seconds=2, sender=build_user(1)),
        ]
    )
    assert select_address(subscriber.addresses) == build_user(1).user
    assert subscriber.addresses.phone is not None


@given(st.lists(TALK, max_size=12))
def test_sequence_grows_with_each_start_choice_and_stop_and_with_nothing_else(messages: list[InboundMessage]) -> None:
    subscriber: Subscriber | None = None
    for each in messages:
        before = subscriber.sequence if subscriber else 0
        subscriber, outcome = understand_message(subscriber, each, build_context(seconds=100))
        counted = outcome.result in (
            MessageResult.STARTED,
            MessageResult.RENEWED,
            MessageResult.CHANGED,
            MessageResult.TOPICS_REMOVED,
            MessageResult.ENDED,
            MessageResult.ERASED,
        )
        assert (subscriber.sequence if subscriber else 0) == before + counted


@given(CONSENTS, st.data())
def test_any_order_and_repetition_converges_to_the_newest(texts: list[str], data: st.DataObject) -> None:
    said = [build_message(text, seconds=second) for second, text in enumerate(texts)]
    extra = data.draw(st.lists(st.sampled_from(said), max_size=4))
    arrived = data.draw(st.permutations([*said, *extra]))
    subscriber = after(arrived)
    assert subscriber.subscribed is (texts[-1] == "Start")
    assert subscriber.last_change == MessageTime.read_from(said[-1])


@given(st.lists(TALK.filter(lambda each: parse_message(each).intent is not Intent.START), max_size=12))
def test_without_a_start_nobody_is_ever_subscribed(messages: list[InboundMessage]) -> None:
    subscriber = find_after(messages)
    assert subscriber is None or not subscriber.subscribed

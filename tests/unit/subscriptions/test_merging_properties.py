"""What a person may rely on when rows of theirs become one, whatever was said to each and whatever arrives later."""

from collections.abc import Callable
from itertools import accumulate

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from services.subscriptions.domain.change_sets import decide_move
from services.subscriptions.domain.merging import Person, move_person, resolve_person
from services.subscriptions.domain.privacy import StoredState
from services.subscriptions.domain.subscriber import Subscriber, apply_preference, select_address
from shared.contracts.envelope import decode
from shared.contracts.events import SubscriptionEnded
from tests.factories.citizens import (
    AUTHOR_KEY,
    COUNTY,
    build_both,
    build_context,
    build_message,
    build_move,
    build_phone,
    build_preference,
    build_user,
    play,
    understand_message,
)

Chat = list[tuple[int, str]]
Merge = Callable[[Subscriber, Subscriber], Person]
IN_APP = ("stop", "resume")
TOPICS = ("Start", "nur Stellen", "nur Baustellen", "auch Baustellen", "Stop Stellen")
PAUSES = ("Start", "Pause 3 Tage", "Pause 2 Wochen", "Weiter")
SENDERS = (build_user(1), build_phone(1), build_user(2))


def meet(by_user: Subscriber, by_phone: Subscriber) -> Person:
    return resolve_person(by_user, by_phone, build_both(1))


def move(former: Subscriber, met: Subscriber) -> Person:
    return move_person(Person(subscriber=former), None, met, build_phone(1))


def build_chats(*words: str, rows: int = 2) -> st.SearchStrategy[Chat]:
    """What somebody says in turns to rows of theirs, of which each began with a start."""
    said = st.lists(st.tuples(st.integers(0, rows - 1), st.sampled_from(words)), max_size=7)
    return said.map(lambda chat: [*((row, "Start") for row in range(rows)), *chat])


def find_rows(chat: Chat) -> list[Subscriber]:
    """Return each row after what was said to it, one message every two seconds."""
    rows = [
        play(*[(2 * number, text) for number, (row, text) in enumerate(chat) if row == each], sender=SENDERS[each])
        for each in range(1 + max(row for row, _ in chat))
    ]
    return [row for row in rows if row]


def hear(person: Subscriber, text: str, second: int) -> Subscriber:
    if text in IN_APP:
        return apply_preference(person, build_preference(text, seconds=second), COUNTY) or person
    after, _ = understand_message(person, build_message(text, seconds=second), build_context(seconds=100))
    assert after is not None
    return after


def play_in_order(chat: Chat, *late: tuple[int, str]) -> list[Subscriber]:
    """Return the states of whoever had said it all to one row, the late message at its time."""
    (_, first), *said = sorted([*((2 * number, text) for number, (_, text) in enumerate(chat)), *late])
    person = play((0, first), sender=build_both(1))
    assert person is not None
    return [*accumulate(said, lambda before, each: hear(before, each[1], each[0]), initial=person)]


@given(chat=build_chats(*TOPICS, *PAUSES, *IN_APP, "Stop", "nur Worpswede"))
def test_it_makes_no_difference_which_row_has_which_address(chat: Chat) -> None:
    first, second = find_rows(chat)
    assert meet(first, second) == meet(second, first)


@pytest.mark.parametrize("merge", [meet, move])
@given(chat=build_chats(*TOPICS), late=st.tuples(st.integers(0, 9), st.sampled_from(TOPICS)))
@example(chat=[(0, "Start"), (1, "Start"), (0, "Stop Stellen"), (1, "Stop Stellen")], late=(2, "auch Stellen"))
@example(chat=[(0, "Start"), (1, "Start"), (0, "nur Stellen"), (1, "nur Stellen")], late=(2, "auch Baustellen"))
def test_a_late_message_brings_back_no_topic_that_was_dropped_later(
    merge: Merge, chat: Chat, late: tuple[int, str]
) -> None:
    late = (2 * late[0] + 1, late[1])
    alone = play_in_order(chat, late)
    # Else a choice that ended everything, or was refused, tells only one of the rows.
    assume(all(state.subscribed for state in (*alone, *play_in_order(chat), *find_rows(chat))))
    merged = merge(*find_rows(chat)).subscriber
    assert merged is not None
    assert hear(merged, late[1], late[0]).topics <= alone[-1].topics


@pytest.mark.parametrize("merge", [meet, move])
@given(chat=build_chats("Start", "Stop"), late=st.tuples(st.integers(0, 9), st.sampled_from(("Start", "Stop"))))
@example(chat=[(0, "Start"), (1, "Start")], late=(0, "Stop"))
def test_the_newest_start_or_stop_counts_also_if_an_older_one_arrives_after_the_merge(
    merge: Merge, chat: Chat, late: tuple[int, str]
) -> None:
    late = (2 * late[0] + 1, late[1])
    merged = merge(*find_rows(chat)).subscriber
    assert merged is not None
    assert merged.subscribed == play_in_order(chat)[-1].subscribed
    assert (select_address(merged.addresses) is not None) == merged.subscribed
    assert hear(merged, late[1], late[0]).subscribed == play_in_order(chat, late)[-1].subscribed


@pytest.mark.parametrize("merge", [meet, move])
@given(chat=build_chats("Start", *IN_APP), late=st.tuples(st.integers(0, 9), st.sampled_from(IN_APP)))
@example(chat=[(0, "Start"), (1, "Start"), (0, "stop"), (1, "stop")], late=(2, "resume"))
def test_an_older_resume_inside_whatsapp_undoes_no_stop_there(merge: Merge, chat: Chat, late: tuple[int, str]) -> None:
    late = (2 * late[0] + 1, late[1])
    merged = merge(*find_rows(chat)).subscriber
    assert merged is not None
    assert hear(merged, late[1], late[0]).topics <= play_in_order(chat, late)[-1].topics


@pytest.mark.parametrize("merge", [meet, move])
@given(chat=build_chats(*PAUSES), late=st.tuples(st.integers(0, 9), st.sampled_from(PAUSES)))
def test_the_newest_pause_or_end_of_one_counts_also_if_an_older_one_arrives_after_the_merge(
    merge: Merge, chat: Chat, late: tuple[int, str]
) -> None:
    late = (2 * late[0] + 1, late[1])
    merged = merge(*find_rows(chat)).subscriber
    assert merged is not None
    assert merged.paused_until == play_in_order(chat)[-1].paused_until
    assert hear(merged, late[1], late[0]).paused_until == play_in_order(chat, late)[-1].paused_until


@pytest.mark.parametrize("merge", [meet, move])
@given(chat=build_chats(*TOPICS, *PAUSES, *IN_APP, "Stop", "nur Worpswede"))
def test_the_row_that_ends_keeps_nothing_but_its_number(merge: Merge, chat: Chat) -> None:
    rows = find_rows(chat)
    (ended,) = merge(*rows).absorbed
    (before,) = [row for row in rows if row.id == ended.id]
    assert ended.sequence == before.sequence + 1
    assert [*ended.topics, *ended.places, *ended.suspended] == []
    assert (ended.addresses.phone, ended.addresses.user, ended.paused_until) == (None, None, None)


@given(chat=build_chats(*TOPICS, *IN_APP, "Stop", rows=3))
def test_of_three_rows_the_one_that_stays_is_told_the_end_of_every_topic_that_it_loses(chat: Chat) -> None:
    by_user, by_phone, former = rows = find_rows(chat)
    state = StoredState(by_user=by_user, by_phone=by_phone, former_by_user=former)
    changes = decide_move(state, build_move(build_user(2), build_both(1)), author_key=AUTHOR_KEY)
    after = changes.subscribers[-1]
    (before,) = [row for row in rows if row.id == after.id]
    told = [decode(each.body) for each in changes.publications]
    ended = [each.topic for each in told if isinstance(each, SubscriptionEnded) and each.subscriber == after.id]
    lost = before.topics - after.topics
    assert sorted(map(str, ended)) == (sorted(lost) if after.subscribed else ["None"] * bool(lost))

"""Two rows that turn out to be one person: published events, and the pages of a broadcast meanwhile."""

from collections.abc import Callable
from dataclasses import replace
from operator import add
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.subscriptions.domain.change_sets import ChangeSet, decide_message, decide_move, decide_preference
from services.subscriptions.domain.consent import ConsentEvent
from services.subscriptions.domain.privacy import StoredState
from services.subscriptions.domain.subscriber import Subscriber, SubscriberState, select_address
from shared.contracts.envelope import decode
from shared.contracts.events import SubscriptionEnded
from shared.contracts.message import Addresses
from tests.factories.citizens import (
    AUTHOR_KEY,
    COUNTY,
    add_message,
    build_both,
    build_context,
    build_message,
    build_move,
    build_phone,
    build_preference,
    build_time,
    build_user,
    play,
    understand_message,
)

Merge = Callable[[Subscriber, Subscriber], ChangeSet]
Chat = list[tuple[int, str]]
IN_APP = "stop"


def build_chats(*words: str) -> st.SearchStrategy[Chat]:
    """What somebody says in turns to two rows of theirs."""
    chats = st.lists(st.tuples(st.integers(0, 1), st.sampled_from(words)), min_size=2, max_size=8)
    return chats.filter(lambda chat: {who for who, _ in chat} == {0, 1})


def build_chat() -> st.SearchStrategy[Chat]:
    """What somebody who subscribes says to one row of theirs, and when."""
    words = st.sampled_from(("Start", "nur Baustellen", "nur Stellen", "Pause 3 Tage", IN_APP))
    return st.lists(st.tuples(st.integers(1, 50), words), max_size=4).map(lambda said: [(0, "Start"), *sorted(said)])


def find_row(*said: tuple[int, str], sender: Addresses) -> Subscriber:
    subscriber = play(*said, sender=sender)
    assert subscriber is not None
    return subscriber


def write(by_user: Subscriber, by_phone: Subscriber, text: str = "Hallo") -> ChangeSet:
    """Return what a message that names both addresses changes."""
    said = build_message(text, sender=build_both(1), seconds=60)
    context = add_message(build_context(seconds=100), said)
    return decide_message(StoredState(by_user=by_user, by_phone=by_phone), context)


def move(former: Subscriber, met: Subscriber) -> ChangeSet:
    """Return what a new number changes if somebody wrote from it before."""
    state = StoredState(by_phone=met, former_by_user=former)
    return decide_move(state, build_move(build_user(1), build_phone(1)), author_key=AUTHOR_KEY)


def move_to_both(former: Subscriber, by_user: Subscriber, by_phone: Subscriber) -> ChangeSet:
    """Return what a new user id and a new number change if somebody wrote from each of them before."""
    state = StoredState(by_user=by_user, by_phone=by_phone, former_by_user=former)
    return decide_move(state, build_move(build_both(2), build_both(1)), author_key=AUTHOR_KEY)


def list_ended(changes: ChangeSet) -> list[tuple[UUID, int, str | None]]:
    told = [decode(each.body) for each in changes.publications]
    assert len({each.message_id for each in changes.publications}) == len(told), "each is an event of its own"
    return [(each.subscriber, each.sequence, each.topic) for each in told if isinstance(each, SubscriptionEnded)]


def list_recipients(rows: tuple[Subscriber, ...], topic: str) -> list[tuple[UUID, int]]:
    now = build_time(100)
    reached = [row for row in sorted(rows, key=lambda row: row.id) if topic in row.topics and not row.is_paused(now)]
    return [(row.id, row.sequence) for row in reached]


@pytest.mark.parametrize("newest", range(3))
def test_a_move_to_what_two_rows_were_written_from_makes_one_person_of_all_three(newest: int) -> None:
    senders = (build_user(2), build_user(1), build_phone(1))
    rows = [
        find_row((10 if number == newest else number, "Start"), sender=sender) for number, sender in enumerate(senders)
    ]
    changes = move_to_both(*rows)
    (target,) = [row for row in changes.subscribers if row.state is not SubscriberState.MERGED]
    assert (target.addresses, len(changes.subscribers)) == (build_both(1), 3)
    assert {row.id for row in changes.subscribers} == {row.id for row in rows}
    assert {ended[0] for ended in list_ended(changes)} == {row.id for row in rows} - {target.id}


@pytest.mark.parametrize(
    "chat",
    [
        [(0, "Start"), (1, "Start"), (0, "Stop"), (1, "Start Stellen")],
        [(0, "Start"), (1, "Start"), (0, "Stop Stellen"), (1, "Stop Baustellen")],
        [(1, "Start"), (1, "Stop"), (0, "Start"), (0, "nur Stellen, Baustellen"), (1, "Start"), (0, "Stop Stellen")],
        [(0, "Start"), (1, "Start"), (0, "nur Stellen"), (1, "nur Worpswede"), (0, "Stop Veranstaltungen")],
        [(0, "Start"), (1, "Start Stellen und Baustellen"), (0, "Stop Stellen"), (1, "Stop Baustellen")],
        [(0, "Start"), (1, "Start Stellen"), (0, "Stop Stellen"), (1, "nur Worpswede")],
        [(0, "Start"), (0, "Stop"), (1, "Start"), (0, "Stop Stellen")],
        [(0, "Start"), (1, "Start"), (0, "nur Stellen"), (1, "Stop Stellen")],
        [(0, "Start"), (0, IN_APP), (1, "Start Baustellen")],
    ],
)
def test_a_merge_brings_back_no_topic_that_was_stopped(chat: Chat) -> None:
    said = [(who, (second, text)) for second, (who, text) in enumerate(chat)]
    user, phone = (
        find_row(*(each for who, each in said if who == row), sender=sender)
        for row, sender in enumerate((build_user(1), build_phone(1)))
    )
    merged = next(row for row in write(user, phone).subscribers if row.state is not SubscriberState.MERGED)
    assert merged.topics <= find_row(*(each for _, each in said), sender=build_both(1)).topics


def test_a_merge_leaves_the_topics_that_one_row_was_told_of() -> None:
    first = find_row((10, "Start"), (50, "Stop Stellen"), sender=build_phone(1))
    second = find_row((20, "Start Stellen"), (55, "nur Worpswede"), sender=build_user(1))
    merged = next(row for row in write(second, first).subscribers if row.state is not SubscriberState.MERGED)
    assert (merged.subscribed, merged.topics) == (True, COUNTY.topic_ids - {"stellen"})
    late, _ = understand_message(merged, build_message("auch Stellen", seconds=40), build_context(seconds=100))
    assert late is not None
    assert "stellen" not in late.topics


def test_a_message_from_before_a_merge_is_compared_with_the_choices_that_apply() -> None:
    first = find_row((0, "Start"), (10, "nur Stellen"), sender=build_user(1))
    second = find_row((1, "Start"), (20, "nur Worpswede"), sender=build_phone(1))
    merged = next(row for row in write(first, second).subscribers if row.state is not SubscriberState.MERGED)
    late, _ = understand_message(merged, build_message("Stop Baustellen", seconds=9), build_context(seconds=100))
    assert late is not None
    assert late.topics == merged.topics - {"baustellen"}


@given(chats=st.lists(build_chat(), min_size=3, max_size=3))
@example(
    chats=[
        [(0, "Start"), (12, "Pause 3 Tage"), (43, IN_APP), (50, "nur Stellen")],
        [(0, "Start"), (15, "Pause 3 Tage"), (42, IN_APP)],
        [(0, "Start"), (5, IN_APP), (20, "Start")],
    ]
)
def test_whoever_is_one_of_three_rows_is_told_no_end_of_what_still_comes(chats: list[Chat]) -> None:
    senders = (build_user(2), build_user(1), build_phone(1))
    changes = move_to_both(*(find_row(*chat, sender=sender) for chat, sender in zip(chats, senders, strict=True)))
    target = {row.id: row for row in changes.subscribers if row.state is not SubscriberState.MERGED}
    for who, _, topic in list_ended(changes):
        assert who not in target or topic not in target[who].topics


def test_a_new_number_keeps_the_user_id_of_whoever_wrote_from_it_before() -> None:
    former, met = find_row((0, "Start"), sender=build_phone(2)), find_row((5, "Start"), sender=build_both(1))
    state = StoredState(by_phone=met, former_by_phone=former)
    changes = decide_move(state, build_move(build_phone(2), build_phone(1)), author_key=AUTHOR_KEY)
    (target,) = [row for row in changes.subscribers if row.state is not SubscriberState.MERGED]
    assert target.addresses == build_both(1)


@pytest.mark.parametrize("merge", [write, move])
@given(
    chat=build_chats("Start", "Stop", "nur Baustellen", "nur Stellen", "Pause 3 Tage", IN_APP),
    turned=st.booleans(),
    read=st.integers(0, 2),
    topic=st.sampled_from(sorted(COUNTY.topic_ids)),
)
@example(
    chat=[(0, "Start"), (0, "Pause 3 Tage"), (1, "Start"), (0, "nur Stellen")], turned=False, read=1, topic="stellen"
)
@example(
    chat=[(0, "Start"), (0, "Pause 3 Tage"), (1, "Start"), (0, "nur Stellen")], turned=True, read=1, topic="baustellen"
)
@example(
    chat=[(0, "Start"), (0, "Pause 3 Tage"), (1, "Start"), (1, "nur Baustellen"), (0, "nur Stellen")],
    turned=False,
    read=1,
    topic="stellen",
)
def test_a_merge_amid_an_expansion_leaves_the_person_on_one_page_that_is_sent(
    merge: Merge, chat: Chat, turned: bool, read: int, topic: str
) -> None:
    said = list(enumerate(chat))
    rows = [
        play(*[(at, text) for at, (who, text) in said if who == each], sender=sender)
        for each, sender in enumerate((build_user(1), build_phone(1)))
    ]
    if None in rows:
        return  # somebody who only chose without a start
    by_user, by_phone = (
        replace(row, id=UUID(int=number)) for row, number in zip(rows, (2, 1) if turned else (1, 2), strict=True) if row
    )
    before = [each for each in list_recipients((by_user, by_phone), topic) if each[0].int <= read]
    changes = merge(by_user, by_phone)
    after = [each for each in list_recipients(changes.subscribers, topic) if each[0].int > read]
    ended = {subscriber: number for subscriber, number, which in list_ended(changes) if which in (topic, None)}
    sent = [(row, number) for row, number in before + after if ended.get(row, 0) < number]
    target = changes.subscribers[-1]
    told = [row for row, _ in sent]
    if target.is_paused(build_time(100)) or (read == 2 and not before):
        assert told in ([], [target.id])  # a pause takes nothing back, and neither row was to get it when it was read
    else:
        assert told == [target.id] * (topic in target.topics)


ALL, JOBS, WORKS, NONE = COUNTY.topic_ids, frozenset({"stellen"}), frozenset({"baustellen"}), frozenset[str]()


@pytest.mark.parametrize("merge", [write, move])
@pytest.mark.parametrize(
    ("by_user", "by_phone", "topics", "ends"),
    [
        ([(0, "Start")], [(30, "Stop")], NONE, True),
        ([(0, "Stop")], [(30, "Start")], ALL, False),
        ([(5, "Start")], [(5, "Stop")], NONE, True),
        ([(10, "Start"), (50, IN_APP)], [(20, "Start"), (40, "Stop")], NONE, True),
        ([(10, "Start"), (35, IN_APP)], [(20, "Start"), (40, "Stop")], NONE, True),
        ([(10, "Start"), (35, IN_APP), (50, IN_APP)], [(20, "Start"), (40, "Stop")], NONE, True),
        ([(0, "Start"), (5, "nur Stellen"), (30, IN_APP)], [(20, "Start"), (40, "nur Baustellen")], WORKS, False),
    ],
)
def test_the_last_written_word_applies_and_ends_what_waits_for_the_other_address_unless_that_had_ended(
    merge: Merge, by_user: Chat, by_phone: Chat, topics: frozenset[str], ends: bool
) -> None:
    other, target = find_row(*by_user, sender=build_user(1)), find_row(*by_phone, sender=build_phone(1))
    changes = merge(other, target)
    assert [(row.id, row.state is SubscriberState.MERGED, row.topics) for row in changes.subscribers] == [
        (other.id, True, NONE),
        (target.id, False, topics),
    ]
    assert changes.subscribers[-1].subscribed == bool(topics)
    assert list_ended(changes) == [(other.id, other.sequence + 1, None)] * ends


@pytest.mark.parametrize("merge", [write, move])
@pytest.mark.parametrize(
    ("by_user", "by_phone", "topics", "is_paused"),
    [
        ([(0, "Start"), (40, "nur Stellen")], [(30, "Start")], JOBS, False),
        ([(0, "Start"), (50, "nur Stellen")], [(30, "Start"), (40, "nur Baustellen")], JOBS, False),
        ([(0, "Start"), (40, "Pause 3 Tage")], [(30, "Start")], ALL, True),
        ([(0, "Start"), (50, "Pause 3 Tage")], [(30, "Start"), (40, "nur Baustellen")], WORKS, True),
        ([(0, "Start"), (20, "Pause 3 Tage"), (40, "nur Stellen")], [(30, "Start")], JOBS, False),
    ],
)
def test_of_two_who_are_subscribed_the_newest_choice_and_the_newest_pause_apply(
    merge: Merge,
    by_user: Chat,
    by_phone: Chat,
    topics: frozenset[str],
    is_paused: bool,
) -> None:
    rows = find_row(*by_user, sender=build_user(1)), find_row(*by_phone, sender=build_phone(1))
    changes = merge(*rows)
    merged = changes.subscribers[-1]
    assert (merged.topics, merged.is_paused(build_time(100))) == (topics, is_paused)
    (other,) = [row for row in rows if row.id != merged.id]
    assert [subscriber for subscriber, _, topic in list_ended(changes) if topic is None] == [other.id]


@pytest.mark.parametrize("merge", [write, move])
def test_a_stop_inside_whatsapp_that_one_row_heard_ends_topics_of_the_other(merge: Merge) -> None:
    stopped = find_row((0, "Start"), (50, IN_APP), sender=build_user(1))
    chosen = find_row((10, "Start"), (40, "nur Stellen"), sender=build_phone(1))
    changes = merge(stopped, chosen)
    merged = changes.subscribers[-1]
    assert (merged.id, merged.state, merged.suspended) == (chosen.id, SubscriberState.UNSUBSCRIBED, JOBS)
    assert set(list_ended(changes)) == {(stopped.id, 3, None), (chosen.id, merged.sequence, None)}
    assert [(each.subscriber, each.event, each.topics) for each in changes.consents if each.topics] == [
        (chosen.id, ConsentEvent.WITHDRAWN, JOBS)
    ]


@pytest.mark.parametrize("merge", [write, move])
@given(
    chat=st.one_of(
        build_chats("Start", "Stop", "nur Baustellen", "nur Stellen"),
        st.builds(add, build_chats("Start", "Stop", "nur Stellen"), build_chats("Start", "Stop", IN_APP)),
    )
)
def test_two_who_are_subscribed_get_what_one_would_who_had_said_it_all(merge: Merge, chat: Chat) -> None:
    """A row does not remember a stop inside WhatsApp that ends none of its topics: then Meta refuses messages."""
    said = [(second, who, text) for second, (who, text) in enumerate(chat)]
    rows = [
        play(*[(second, text) for second, who, text in said if who == each], sender=sender)
        for each, sender in enumerate((build_user(1), build_phone(1)))
    ]
    alone = play(*[(second, text) for second, _, text in said], sender=build_both(1))
    by_user, by_phone = rows
    if by_user and by_phone and by_user.subscribed and by_phone.subscribed:
        assert alone is not None
        assert merge(by_user, by_phone).subscribers[-1].topics == alone.topics


def test_a_stop_inside_whatsapp_that_names_both_ends_what_waits_for_either() -> None:
    started = find_row((0, "Start"), sender=build_user(1))
    fewer = find_row((30, "Start"), (31, "nur Veranstaltungen"), sender=build_phone(1))
    state, stop = StoredState(by_user=started, by_phone=fewer), build_preference("stop", seconds=60)
    changes = decide_preference(state, stop, county=COUNTY, received_at=stop.at)
    assert list_ended(changes) == [(started.id, 2, None), (fewer.id, 4, None)]


@pytest.mark.parametrize("seconds", [(0, 30), (30, 0)])
def test_of_two_alike_the_one_at_the_new_number_stays(seconds: tuple[int, int]) -> None:
    """What waits for the other one names the old number."""
    former, met = (
        find_row((at, "Start"), sender=sender)
        for at, sender in zip(seconds, (build_user(1), build_phone(1)), strict=True)
    )
    changes = move(former, met)
    assert list_ended(changes) == [(former.id, 2, None)]
    assert changes.subscribers[-1].id == met.id
    assert select_address(changes.subscribers[-1].addresses) == build_phone(1).phone


def test_two_rows_of_the_old_addresses_and_one_of_the_new_are_one() -> None:
    rows = [
        find_row((at, "Start"), sender=sender)
        for at, sender in enumerate((build_user(1), build_phone(1), build_both(2)))
    ]
    state = StoredState(by_user=rows[2], by_phone=rows[2], former_by_user=rows[0], former_by_phone=rows[1])
    changes = decide_move(state, build_move(build_both(1), build_both(2)), author_key=AUTHOR_KEY)
    assert sorted(list_ended(changes)) == sorted((row.id, row.sequence, None) for row in changes.subscribers[:-1])
    assert {row.id for row in changes.subscribers} == {row.id for row in rows}
    assert [row.merged_into for row in changes.subscribers] == [*(row.id for row in changes.subscribers[1:]), None]

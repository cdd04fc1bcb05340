"""Each figure finds what it is there for, and nothing else."""

from dataclasses import replace

import pytest

from cli.faults.books import Broadcast
from cli.faults.evidence import Written
from cli.faults.publisher import Published
from cli.faults.verdict import AFTER_STOP, DUPLICATES, LATE, LOST, RATE, UNACCOUNTED, Verdict, judge
from services.dispatcher.adapters.ledger import MOST_RESENT
from simulator.stalls import Stall
from tests.unit.faults.material import EXPIRES_AT, LIMIT, Scene, done, reply, row, template

FIGURES = (LOST, DUPLICATES, AFTER_STOP, LATE, UNACCOUNTED, RATE)


def figures(scene: Scene) -> dict[str, int]:
    """What was found, without the zeros."""
    verdict = judge(scene.evidence())
    return {figure: verdict.count(figure) for figure in FIGURES if verdict.count(figure)}


def with_stop(answered_at: float, confirmed_at: float | None) -> Scene:
    """Citizen 3, who gets the broadcast at second 13, said "Stop" at second 5."""
    scene = Scene(written=[Written(3, "Stop", 5.0, answered_at)], handled=1, replies_due=1)
    if confirmed_at is not None:
        farewell = reply(3, confirmed_at)
        scene.outbound.append(farewell)
        scene.ledger.append(replace(row(3), delivery=farewell.delivery, broadcast=None))
    return scene


def judged(scene: Scene) -> Verdict:
    return judge(scene.evidence())


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    assert judged(Scene()).holds
    assert figures(Scene()) == {}


@pytest.mark.parametrize("state", ["failed", "waiting", "claimed", "unknown"])
def test_what_meta_never_had_is_lost(state: str) -> None:
    scene = Scene()
    scene.outbound.pop()
    scene.ledger[-1] = row(6, state=state)
    assert figures(scene) == {LOST: 1}


@pytest.mark.parametrize("state", ["suppressed", "cancelled"])
def test_what_was_decided_against_is_not_lost_but_who_stayed_has_to_get_it(state: str) -> None:
    scene = Scene()
    scene.outbound.pop()
    scene.ledger[-1] = row(6, state=state)
    assert figures(scene) == {}


def test_who_stayed_and_has_no_row_is_lost_although_our_books_agree() -> None:
    scene = Scene(broadcasts=[Broadcast("b1", "n1", 5, True, False, EXPIRES_AT)])
    scene.outbound.pop()
    scene.ledger.pop()
    assert figures(scene) == {LOST: 1}


def test_what_stays_unknown_after_the_last_resend_is_shown_and_not_lost() -> None:
    scene = Scene()
    scene.outbound.pop()
    scene.ledger[-1] = row(6, state="unknown", resends=MOST_RESENT)
    assert figures(scene) == {}
    assert judged(scene).still_unknown == 1
    scene.ledger[-1] = row(6, state="unknown", resends=MOST_RESENT - 1)
    assert figures(scene) == {LOST: 1}


def test_messages_and_replies_and_notices_may_be_lost_too() -> None:
    assert figures(Scene(written=[Written(1, "Hallo", 1.0, 2.0)])) == {LOST: 1}
    assert figures(Scene(replies_due=2)) == {LOST: 2}
    scene = Scene()
    scene.published.append(Published("n2", "n2 ist da", True))
    scene.published.append(Published("n3", "n3 ist da", False))
    assert figures(scene) == {LOST: 1}


def test_one_delivery_accepted_twice_is_a_duplicate() -> None:
    scene = Scene()
    scene.outbound.append(template(2, accepted_at=20.0))
    assert figures(scene) == {DUPLICATES: 1}


def test_one_broadcast_as_two_deliveries_to_one_citizen_is_a_duplicate() -> None:
    scene = Scene(broadcasts=[Broadcast("b1", "n1", 7, True, False, EXPIRES_AT)])
    scene.outbound.append(template(2, delivery="b1-other"))
    scene.ledger.append(row(2, delivery="b1-other"))
    assert figures(scene) == {DUPLICATES: 1}


def test_a_second_message_after_one_that_vanished_is_counted_apart() -> None:
    scene = Scene()
    scene.outbound[1] = template(2, vanished=True)
    scene.outbound.append(template(2, accepted_at=20.0))
    assert figures(scene) == {}
    assert judged(scene).unavoidable == 1


def test_a_third_message_is_a_duplicate_in_any_case() -> None:
    scene = Scene()
    scene.outbound[1] = template(2, vanished=True)
    scene.outbound += [template(2, accepted_at=20.0), template(2, accepted_at=30.0)]
    assert figures(scene) == {DUPLICATES: 1}


@pytest.mark.parametrize(
    ("answered_at", "confirmed_at", "found"),
    [
        (10.9, None, {AFTER_STOP: 1}),
        (11.1, None, {}),
        (12.9, 11.9, {AFTER_STOP: 1}),
        (12.9, 12.1, {}),
    ],
)
def test_both_halves_of_the_promise_about_stop(
    answered_at: float, confirmed_at: float | None, found: dict[str, int]
) -> None:
    scene = with_stop(answered_at, confirmed_at)
    if confirmed_at is None:
        scene.replies_due = 0
    assert figures(scene) == found


def test_while_a_fault_is_in_force_only_the_confirmation_counts() -> None:
    scene = with_stop(10.5, 12.5)
    scene.faults = [done("kill postgres", 10.0, 12.0)]
    assert figures(scene) == {}
    assert judged(scene).stop_disturbed == 1


def test_who_came_back_may_get_messages_again() -> None:
    scene = with_stop(7.0, 8.0)
    scene.written.append(Written(3, "Start", 12.0, 12.1))
    scene.handled = 2
    assert figures(scene) == {}


def test_what_was_accepted_after_its_expiry_is_late() -> None:
    scene = Scene()
    scene.outbound[0] = template(1, accepted_at=EXPIRES_AT + 0.3)
    assert figures(scene) == {LATE: 1}
    scene.faults = [done("narrow dispatcher to graph", EXPIRES_AT - 1, EXPIRES_AT + 1)]
    assert figures(scene) == {}


def test_recipients_without_a_row_and_rows_without_a_recipient_are_unaccounted() -> None:
    scene = Scene(broadcasts=[Broadcast("b1", "n1", 8, True, False, EXPIRES_AT)])
    assert figures(scene) == {UNACCOUNTED: 2}
    scene.broadcasts = []
    scene.published = []
    assert figures(scene) == {UNACCOUNTED: 6}


def test_a_counter_that_is_off_is_unaccounted() -> None:
    assert figures(Scene(counters={("b1", "delivered"): 5})) == {UNACCOUNTED: 1}


def test_rows_that_contradict_the_account_are_unaccounted() -> None:
    scene = Scene()
    scene.ledger[0] = row(1, state="accepted")
    scene.outbound.append(template(1, delivery="nobody's", text="*anders*"))
    assert figures(scene) == {UNACCOUNTED: 2}


def test_a_row_that_says_delivered_without_a_message_is_unaccounted_and_lost() -> None:
    scene = Scene()
    scene.outbound.pop()
    assert figures(scene) == {LOST: 1, UNACCOUNTED: 1}


def test_too_many_in_one_second_break_the_rate_unless_the_judge_stood_still() -> None:
    scene = Scene(broadcasts=[Broadcast("b1", "n1", LIMIT + 2, True, False, EXPIRES_AT)])
    people = range(1, LIMIT + 3)
    scene.outbound = [template(citizen, accepted_at=20.0 + citizen / 20) for citizen in people]
    scene.ledger = [row(citizen) for citizen in people]
    assert figures(scene)[RATE]
    scene.stalls = [Stall(20.05, 0.15)]
    assert figures(scene) == {}
    scene.stalls = []
    scene.faults = [done("narrow dispatcher to graph", 20.0, 21.0)]
    assert figures(scene) == {}
    assert judged(scene).windows.worst == LIMIT + 2

"""Each figure finds what it is there for, and nothing else."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from services.dispatcher.adapters.ledger_results import MAX_RESENDS
from simulator.clock import Stall
from tests.faults.evaluation import Verdict, evaluate_run
from tests.faults.evidence import CitizenMessage
from tests.faults.ledger_snapshot import BroadcastSnapshot
from tests.faults.notice_traffic import PublishedNotice
from tests.faults.operator_actions import OperatorCommand
from tests.faults.report import build_report
from tests.faults.violations import Figure
from tests.unit.faults.factories import (
    EXPIRES_AT,
    LIMIT,
    EvidenceBuilder,
    build_broadcast_message,
    build_injected_fault,
    build_reply,
    build_row,
)


def figures(scene: EvidenceBuilder) -> dict[Figure, int]:
    """Return what was found, without the zeros."""
    verdict = evaluate_run(scene.build())
    return {figure: verdict.count(figure) for figure in Figure if verdict.count(figure)}


def with_stop(answered_at: float, confirmed_at: float | None) -> EvidenceBuilder:
    """Citizen 3, who gets the broadcast at second 13, said "Stop" at second 5."""
    scene = EvidenceBuilder(written=[CitizenMessage(3, "Stop", 5.0, answered_at)], handled=1, replies_due=1)
    if confirmed_at is not None:
        confirmation = build_reply(3, confirmed_at)
        scene.outbound.append(confirmation)
        scene.ledger.append(replace(build_row(3), delivery=confirmation.delivery, broadcast=None))
    return scene


def evaluate_scene(scene: EvidenceBuilder) -> Verdict:
    return evaluate_run(scene.build())


def report_scene(scene: EvidenceBuilder) -> dict[str, Any]:
    return build_report(scene.build(), evaluate_scene(scene), (), seed=1, rate=LIMIT)


def without_last_message(movers: Sequence[int] = (), **row: Any) -> EvidenceBuilder:
    """Meta never had the message to citizen 6; our row says so, or what is given."""
    scene = EvidenceBuilder(movers=[*movers])
    scene.outbound.pop()
    scene.ledger[-1] = build_row(6, **row)
    return scene


def broadcast_to(recipients: int, broadcast: str = "b1", notice: str = "n1") -> BroadcastSnapshot:
    return BroadcastSnapshot(broadcast, notice, recipients, True, False, EXPIRES_AT)


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    assert report_scene(EvidenceBuilder())["ok"]
    assert evaluate_scene(EvidenceBuilder()).rate_used is None, "there is no time in which it had to be used"


@pytest.mark.parametrize("state", ["failed", "waiting", "claimed", "unknown"])
def test_what_meta_never_had_is_lost(state: str) -> None:
    assert figures(without_last_message(state=state)) == {Figure.LOST: 1}


@pytest.mark.parametrize("state", ["suppressed", "cancelled"])
def test_what_was_decided_against_is_not_lost_but_who_stayed_has_to_get_it(state: str) -> None:
    scene = without_last_message(movers=[6], state=state)
    scene.published.append(PublishedNotice("n2", "b2 ist da", False))
    assert figures(scene) == {}
    scene.movers = []
    assert figures(scene) == {Figure.LOST: 1}


def test_who_stayed_and_has_no_row_is_lost_although_our_ledger_agrees() -> None:
    scene = EvidenceBuilder(broadcasts=[broadcast_to(5)])
    scene.outbound.pop()
    scene.ledger.pop()
    assert figures(scene) == {Figure.LOST: 1}


def test_what_stays_unknown_after_the_last_resend_is_shown_and_not_lost() -> None:
    scene = without_last_message(state="unknown", resends=MAX_RESENDS)
    assert figures(scene) == {}
    assert report_scene(scene)["still_unknown"] == 1
    assert figures(without_last_message(state="unknown", resends=MAX_RESENDS - 1)) == {Figure.LOST: 1}


@pytest.mark.parametrize(
    ("planted", "found"),
    [
        ({"written": [CitizenMessage(1, "Hallo", 1.0, 2.0)]}, {Figure.LOST: 1}),
        ({"replies_due": 2}, {Figure.LOST: 2}),
        ({"broadcasts": [broadcast_to(8)]}, {Figure.UNACCOUNTED: 2}),
        ({"broadcasts": [], "published": []}, {Figure.UNACCOUNTED: 6}),
        ({"counters": {("b1", "delivered"): 5}}, {Figure.UNACCOUNTED: 1}),
        ({"wrong_key_ready_count": 1}, {Figure.UNFIT: 1}),
    ],
)
def test_what_does_not_fit_is_found(planted: dict[str, Any], found: dict[Figure, int]) -> None:
    assert figures(EvidenceBuilder(**planted)) == found


def test_notices_may_be_lost_too() -> None:
    scene = EvidenceBuilder()
    scene.published.append(PublishedNotice("n2", "n2 ist da", True))
    scene.published.append(PublishedNotice("n3", "n3 ist da", False))
    assert figures(scene) == {Figure.LOST: 1}


def test_one_delivery_accepted_twice_is_a_duplicate() -> None:
    scene = EvidenceBuilder()
    scene.outbound.append(build_broadcast_message(2, accepted_at=20.0))
    assert figures(scene) == {Figure.DUPLICATES: 1}


def test_one_broadcast_as_two_deliveries_to_one_citizen_is_a_duplicate() -> None:
    scene = EvidenceBuilder(broadcasts=[broadcast_to(7)])
    scene.outbound.append(build_broadcast_message(2, delivery="b1-other"))
    scene.ledger.append(build_row(2, delivery="b1-other"))
    assert figures(scene) == {Figure.DUPLICATES: 1}


def test_a_second_message_after_one_that_vanished_is_counted_apart_and_a_third_is_a_duplicate() -> None:
    scene = EvidenceBuilder()
    scene.outbound[1] = build_broadcast_message(2, vanished=True)
    scene.outbound.append(build_broadcast_message(2, accepted_at=20.0))
    assert figures(scene) == {}
    assert report_scene(scene)["unavoidable_duplicates"] == 1
    scene.outbound.append(build_broadcast_message(2, accepted_at=30.0))
    assert figures(scene) == {Figure.DUPLICATES: 1}


def test_a_message_that_vanished_and_that_meta_has_not_delivered_is_no_duplicate_at_all() -> None:
    scene = EvidenceBuilder()
    scene.outbound[1] = build_broadcast_message(2, vanished=True, state="failed")
    assert report_scene(scene)["unavoidable_duplicates"] == 0


@pytest.mark.parametrize(
    ("answered_at", "confirmed_at", "found"),
    [
        (10.9, None, {Figure.AFTER_STOP: 1}),
        (11.1, None, {}),
        (12.9, 11.9, {Figure.AFTER_STOP: 1}),
        (12.9, 12.1, {}),
    ],
)
def test_both_halves_of_the_promise_about_stop(
    answered_at: float, confirmed_at: float | None, found: dict[Figure, int]
) -> None:
    scene = with_stop(answered_at, confirmed_at)
    if confirmed_at is None:
        scene.replies_due = 0
    assert figures(scene) == found


def test_while_a_fault_is_in_force_only_the_confirmation_counts() -> None:
    scene = with_stop(10.5, 12.5)
    scene.faults = [build_injected_fault("kill postgres", 10.0, 12.0)]
    assert figures(scene) == {}
    assert evaluate_scene(scene).stop_disturbed == 1


def test_who_came_back_may_get_messages_again() -> None:
    scene = with_stop(7.0, 8.0)
    scene.written.append(CitizenMessage(3, "Start", 12.0, 12.1))
    scene.handled = 2
    assert figures(scene) == {}


def corrected(*citizens: int) -> EvidenceBuilder:
    """Everybody got a notice at seconds 11 to 16; these get its correction."""
    scene = EvidenceBuilder(broadcasts=[broadcast_to(6)])
    scene.broadcasts.append(broadcast_to(len(citizens), "b2", "n2"))
    scene.published.append(PublishedNotice("n2", "b2 ist da", True, follows="n1"))
    scene.outbound += [build_broadcast_message(citizen, "b2", accepted_at=30.0 + citizen) for citizen in citizens]
    scene.ledger += [build_row(citizen, "b2") for citizen in citizens]
    return scene


def test_a_correction_is_for_all_who_got_it() -> None:
    assert figures(corrected(1, 2, 3, 4, 5, 6)) == {}
    assert figures(corrected(1, 2, 3)) == {Figure.LOST: 3}
    scene = corrected(1, 2, 3, 4, 5)
    scene.ledger[5] = build_row(6, state="unknown")
    assert figures(scene) == {Figure.UNACCOUNTED: 1}, "our ledger could not know that citizen 6 got it"


def test_a_correction_is_for_nobody_else() -> None:
    scene = corrected(1, 2, 3, 4, 5, 6)
    scene.published[0] = replace(scene.published[0], lasting=False)
    scene.outbound.pop(5)
    scene.ledger[5] = build_row(6, state="expired")
    assert figures(scene) == {Figure.MISDIRECTED: 1}
    scene.ledger[5] = build_row(6, state="expired", resends=1)
    assert figures(scene) == {}, "what had been unknown may have arrived"
    report = report_scene(scene)
    assert (report["resent_after_unknown"], report["still_unknown"]) == (1, 0)


def test_what_meta_reported_as_failed_may_come_again_and_has_to_if_it_was_only_held_back() -> None:
    scene = EvidenceBuilder()
    scene.outbound.insert(0, build_broadcast_message(2, state="failed"))
    assert figures(scene) == {}
    scene.outbound = [
        build_broadcast_message(citizen, state="failed" if citizen == 2 else "delivered") for citizen in range(1, 7)
    ]
    scene.ledger[1] = build_row(2, state="failed", error_code=131047)
    assert figures(scene) == {}
    scene.ledger[1] = build_row(2, state="failed", error_code=131049)
    assert figures(scene) == {Figure.LOST: 1}


def test_what_fails_at_an_old_number_is_not_lost_but_the_last_notice_reaches_who_moved() -> None:
    scene = without_last_message(movers=[6], state="failed", error_code=131026)
    scene.published.append(PublishedNotice("n2", "b2 ist da", True))
    scene.broadcasts.append(broadcast_to(6, "b2", "n2"))
    scene.ledger += [build_row(citizen, "b2") for citizen in range(1, 7)]
    scene.outbound += [build_broadcast_message(citizen, "b2", accepted_at=30.0 + citizen) for citizen in range(1, 7)]
    assert figures(scene) == {}
    scene.outbound.pop()
    scene.ledger[-1] = build_row(6, "b2", state="suppressed")
    assert figures(scene) == {Figure.LOST: 1}


def test_who_was_erased_and_came_back_is_somebody_new() -> None:
    scene = EvidenceBuilder(broadcasts=[broadcast_to(7)])
    scene.outbound.append(build_broadcast_message(2, delivery="b1-new", accepted_at=40.0))
    scene.ledger.append(build_row(2, delivery="b1-new"))
    scene.written = [CitizenMessage(2, "Löschen", 20.0, 20.1), CitizenMessage(2, "Start", 30.0, 30.1)]
    scene.handled = 2
    assert figures(scene) == {}


@pytest.mark.parametrize(
    ("since", "until", "found"), [(10.0, 99.0, {Figure.DISOBEYED: 4}), (10.0, 13.5, {Figure.DISOBEYED: 1})]
)
def test_an_operators_order_holds_after_two_seconds_and_until_it_is_taken_back(
    since: float, until: float, found: dict[Figure, int]
) -> None:
    scene = EvidenceBuilder(operator_commands=[OperatorCommand("b1", since, until)])
    assert figures(scene) == found
    scene.faults = [build_injected_fault("kill postgres", 9.0, 12.0)]
    assert figures(scene) == {}


def test_what_was_accepted_after_its_expiry_is_late() -> None:
    scene = EvidenceBuilder()
    scene.outbound[0] = build_broadcast_message(1, accepted_at=EXPIRES_AT + 0.3)
    assert figures(scene) == {Figure.LATE: 1}
    scene.faults = [build_injected_fault("narrow dispatcher to graph", EXPIRES_AT - 1, EXPIRES_AT + 1)]
    assert figures(scene) == {}


def test_rows_that_contradict_the_account_are_unaccounted() -> None:
    scene = EvidenceBuilder()
    scene.ledger[0] = build_row(1, state="accepted")
    scene.outbound.append(build_broadcast_message(1, delivery="nobody's", text="*anders*"))
    assert figures(scene) == {Figure.UNACCOUNTED: 2}


def test_what_meta_reported_as_failed_may_have_been_ended_by_us() -> None:
    scene = EvidenceBuilder()
    scene.outbound[0], scene.ledger[0] = build_broadcast_message(1, state="failed"), build_row(1, state="suppressed")
    assert figures(scene) == {Figure.LOST: 1}, "citizen 1 stays, and has to get it"
    scene.movers = [1]
    scene.published.append(PublishedNotice("n2", "b2 ist da", False))
    assert figures(scene) == {}


def test_a_row_that_says_delivered_without_a_message_is_unaccounted_and_lost() -> None:
    assert figures(without_last_message()) == {Figure.LOST: 1, Figure.UNACCOUNTED: 1}


def test_too_many_in_one_second_break_the_rate_unless_the_judge_stood_still() -> None:
    scene = EvidenceBuilder(broadcasts=[broadcast_to(LIMIT + 2)])
    citizens = range(1, LIMIT + 3)
    scene.outbound = [build_broadcast_message(citizen, accepted_at=20.0 + citizen / 20) for citizen in citizens]
    scene.ledger = [build_row(citizen) for citizen in citizens]
    assert figures(scene)[Figure.RATE]
    scene.stalls = [Stall(20.05, 0.15)]
    assert figures(scene) == {}
    scene.stalls = []
    scene.faults = [build_injected_fault("narrow dispatcher to graph", 20.0, 21.0)]
    assert figures(scene) == {}
    assert evaluate_scene(scene).windows.worst == LIMIT + 2


def test_a_rate_that_was_not_used_while_work_waited_is_found_with_what_went_on() -> None:
    scene = EvidenceBuilder(attempts=[100 + number / LIMIT for number in range(20 * LIMIT)], waiting=[(100.0, 120.0)])
    assert figures(scene) == {}
    assert evaluate_scene(scene).rate_used == 1.0
    scene.attempts = scene.attempts[::2]
    scene.faults = [build_injected_fault("a slow Meta", 90.0, 130.0)]
    (finding,) = evaluate_scene(scene).findings
    assert (finding.figure, finding.what) == (
        Figure.UNUSED,
        "0.500 of the rate used in 20 s from 100.0, with a slow Meta",
    )


def test_while_an_operator_forbids_what_waits_the_rate_may_be_left_unused() -> None:
    half = [100 + number / LIMIT for number in range(10 * LIMIT)]
    scene = EvidenceBuilder(
        attempts=half, waiting=[(100.0, 120.0)], operator_commands=[OperatorCommand("b2", 110.0, 116.0)]
    )
    assert evaluate_scene(scene).rate_used == 1.0
    scene.operator_commands = [OperatorCommand("b2", 110.0)]
    assert evaluate_scene(scene).rate_used == 1.0
    scene.waiting = [(100.0, 130.0)]
    assert evaluate_scene(scene).rate_used == 0.4, "nothing was sent in 15 of 25 s"


def test_while_only_what_has_expired_or_was_withdrawn_waits_the_rate_may_be_left_unused() -> None:
    sent = [100 + number / LIMIT for number in range(20 * LIMIT)]
    scene = EvidenceBuilder(attempts=[at for at in sent if not 110 <= at < 115], waiting=[(100.0, 120.0)])
    assert evaluate_scene(scene).rate_used == 0.75
    scene.withdrawals = [110.0]
    assert evaluate_scene(scene).findings == ()
    scene.withdrawals = []
    scene.ledger.append(build_row(7, "b2", state="expired", expires_at=110.0))
    assert evaluate_scene(scene).count(Figure.UNUSED) == 0
    scene.ledger[-1] = replace(scene.ledger[-1], state="suppressed")
    assert evaluate_scene(scene).count(Figure.UNUSED) == 1


def test_a_sender_that_was_refused_has_to_be_back_within_a_minute() -> None:
    fault = build_injected_fault("Meta refuses the sender with 190", 20.0, 40.0)
    back = [
        build_broadcast_message(1, delivery=f"later-{number}", accepted_at=99.0 + number / 10)
        for number in range(LIMIT)
    ]
    scene = EvidenceBuilder(faults=[fault])
    assert evaluate_scene(scene).count(Figure.NOT_BACK) == 1
    scene.outbound += back
    assert evaluate_scene(scene).count(Figure.NOT_BACK) == 0
    scene.outbound[-LIMIT:] = [replace(message, accepted_at=message.accepted_at + 3) for message in back]
    assert evaluate_scene(scene).count(Figure.NOT_BACK) == 1

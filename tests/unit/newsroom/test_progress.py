"""The account of a broadcast adds up, whatever has been counted so far."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.dispatcher.domain.states import DeliveryState
from services.newsroom.domain.progress import BroadcastPhase, BroadcastStatus, explain_withdrawal, list_account
from tests.factories.press_office import NOON

STATES = st.dictionaries(st.sampled_from([state.value for state in DeliveryState]), st.integers(0, 1_000))


@given(STATES, st.integers(0, 10_000), st.sampled_from([None, NOON]))
def test_everybody_is_in_one_line(states: dict[str, int], more: int, cancelled_at: datetime | None) -> None:
    audience = sum(states.values()) + more
    status = BroadcastStatus(id=UUID(int=1), audience=audience, states=states, cancelled_at=cancelled_at)
    assert sum(line.count for line in list_account(status)) == audience
    assert status.done + status.waiting + status.cancelled == audience
    assert 0 <= status.percent <= 100
    assert (status.percent == 100) <= (status.waiting == 0)


@given(STATES)
def test_without_an_audience_what_is_counted_is_shown(states: dict[str, int]) -> None:
    status = BroadcastStatus(id=UUID(int=1), states=states)
    assert sum(line.count for line in list_account(status)) == sum(states.values())


@pytest.mark.parametrize("state", DeliveryState)
def test_every_state_has_a_german_name(state: DeliveryState) -> None:
    (line,) = list_account(BroadcastStatus(id=UUID(int=1), audience=1, states={state.value: 1}))
    assert line.name != "anderes"
    assert line.explanation


def test_a_state_of_a_later_version_is_counted_all_the_same() -> None:
    (line,) = list_account(BroadcastStatus(id=UUID(int=1), audience=3, states={"teleported": 3}))
    assert (line.name, line.count) == ("anderes", 3)


def test_phases_follow_what_is_known() -> None:
    known = BroadcastStatus(id=UUID(int=1))
    assert known.phase is BroadcastPhase.PLANNED
    assert BroadcastStatus(id=UUID(int=1), started_at=NOON).phase is BroadcastPhase.SENDING
    assert BroadcastStatus(id=UUID(int=1), started_at=NOON, finished_at=NOON).phase is BroadcastPhase.FINISHED
    assert BroadcastStatus(id=UUID(int=1), cancelled_at=NOON).phase is BroadcastPhase.CANCELLED


def test_what_is_stopped_says_so_until_its_end() -> None:
    stopped = BroadcastStatus(id=UUID(int=1), started_at=NOON, stop_cause="template", stop_reason="x")
    assert (stopped.phase, stopped.is_final) == (BroadcastPhase.STOPPED, False)
    assert "Vorlage" in stopped.stop_name
    assert replace(stopped, finished_at=NOON).phase is BroadcastPhase.FINISHED


def test_what_an_operator_has_ended_says_so_at_once_and_afterwards() -> None:
    ended = BroadcastStatus(id=UUID(int=1), started_at=NOON, stop_cause="cancelled", states={"waiting": 1, "sent": 1})
    assert ended.phase is BroadcastPhase.CANCELLED
    after = BroadcastStatus(id=UUID(int=1), started_at=NOON, finished_at=NOON, states={"cancelled": 1, "sent": 1})
    assert after.phase is BroadcastPhase.CANCELLED


def test_nobody_waits_for_what_was_withdrawn_or_corrected_before_it_began() -> None:
    planned = BroadcastStatus(id=UUID(int=1), audience=6_000, accepted_at=NOON)
    assert [line.state for line in list_account(planned)] == ["waiting"]
    dropped = replace(planned, cancelled_at=NOON)
    assert [(line.state, line.count) for line in list_account(dropped)] == [("cancelled", 6_000)]
    assert (dropped.waiting, dropped.done, dropped.percent) == (0, 0, 0)
    assert (planned.is_settled, dropped.is_settled) == (False, True)


def test_of_what_is_withdrawn_only_requests_in_flight_still_wait() -> None:
    states = {"sent": 10, "waiting": 5, "claimed": 2, "cancelled": 1}
    running = BroadcastStatus(id=UUID(int=1), audience=30, states=states, started_at=NOON, cancelled_at=NOON)
    assert {line.state: line.count for line in list_account(running)} == {"sent": 10, "waiting": 2, "cancelled": 18}
    assert (running.done, running.is_settled) == (10, False)
    assert replace(running, states={"sent": 10}).is_settled


def test_what_is_sent_again_after_its_end_is_being_sent() -> None:
    again = BroadcastStatus(id=UUID(int=1), audience=2, started_at=NOON, finished_at=NOON, states={"waiting": 1})
    assert (again.phase, again.is_final) == (BroadcastPhase.SENDING, False)


@pytest.mark.parametrize(
    ("states", "phase"),
    [({"cancelled": 1, "read": 9}, BroadcastPhase.CANCELLED), ({"read": 10}, BroadcastPhase.FINISHED)],
)
def test_a_notice_that_everybody_had_before_it_was_replaced_is_finished(
    states: dict[str, int], phase: BroadcastPhase
) -> None:
    status = BroadcastStatus(id=UUID(int=1), audience=10, states=states, finished_at=NOON, cancelled_at=NOON)
    assert status.phase is phase


@pytest.mark.parametrize(
    ("states", "words"),
    [
        ({"delivered": 9, "suppressed": 1}, "Alle haben sie schon"),
        ({"delivered": 9, "failed": 1}, "Niemand wartet mehr"),
        ({"delivered": 9, "unknown": 1}, "Niemand wartet mehr"),
        ({"delivered": 9, "waiting": 1}, "Wer sie noch nicht hat"),
        ({"delivered": 9, "cancelled": 1}, "Wer sie noch nicht hat"),
    ],
)
def test_a_withdrawal_is_explained_by_who_has_the_notice(states: dict[str, int], words: str) -> None:
    status = BroadcastStatus(id=UUID(int=1), audience=10, states=states, started_at=NOON, finished_at=NOON)
    assert explain_withdrawal(status).startswith(words)
    assert "Im Archiv" not in explain_withdrawal(replace(status, started_at=None))


def test_what_is_withdrawn_says_so_once_it_has_ended() -> None:
    running = BroadcastStatus(id=UUID(int=1), audience=10, started_at=NOON, withdrawn_at=NOON)
    assert running.phase_name == "wird gesendet"
    for ended in (replace(running, finished_at=NOON, states={"read": 10}), replace(running, cancelled_at=NOON)):
        assert ended.phase_name == "zurückgezogen"


def test_who_withdraws_a_correction_that_is_under_way_reads_that_the_whole_notice_goes() -> None:
    assert "die ganze Meldung" in explain_withdrawal(None, is_correction=True)
    assert "die ganze Meldung" not in explain_withdrawal(None)

"""The account of a broadcast adds up, whatever has been counted so far."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.dispatcher.domain.states import DeliveryState
from services.newsroom.domain.progress import (
    BroadcastPhase,
    BroadcastStatus,
    explain_withdrawal,
    find_continuation,
    list_account,
)
from shared.contracts.dispatch import PermittedHours
from tests.factories.editors import NOON

STATES = st.dictionaries(st.sampled_from([state.value for state in DeliveryState]), st.integers(0, 1_000))
STARTED, ENDED, TAKEN_BACK = {"started_at": NOON}, {"started_at": NOON, "finished_at": NOON}, {"cancelled_at": NOON}


def build_status(**told: Any) -> BroadcastStatus:
    return BroadcastStatus(id=UUID(int=1), **told)


@given(STATES, st.none() | st.integers(0, 10_000), st.sampled_from([None, NOON]))
def test_everybody_is_in_one_line(states: dict[str, int], more: int | None, cancelled_at: datetime | None) -> None:
    counted = sum(states.values())
    audience = None if more is None else counted + more
    status = build_status(audience=audience, states=states, cancelled_at=cancelled_at)
    assert sum(line.count for line in list_account(status)) == counted + (more or 0)
    assert status.done + status.waiting + status.cancelled == counted + (more or 0)
    assert 0 <= status.percent <= 100
    assert (status.percent == 100) <= (status.waiting == 0)


@pytest.mark.parametrize("state", DeliveryState)
def test_every_state_has_a_german_name(state: DeliveryState) -> None:
    (line,) = list_account(build_status(audience=1, states={state.value: 1}))
    assert line.name != "anderes"
    assert line.explanation


def test_a_state_of_a_later_version_is_counted_all_the_same() -> None:
    (line,) = list_account(build_status(audience=3, states={"teleported": 3}))
    assert (line.name, line.count) == ("anderes", 3)


@pytest.mark.parametrize(
    ("told", "phase"),
    [
        ({}, BroadcastPhase.PLANNED),
        (STARTED, BroadcastPhase.SENDING),
        (ENDED, BroadcastPhase.FINISHED),
        (TAKEN_BACK, BroadcastPhase.CANCELLED),
        # What is stopped is so until its end.
        ({**STARTED, "stop_cause": "template"}, BroadcastPhase.STOPPED),
        ({**ENDED, "stop_cause": "template"}, BroadcastPhase.FINISHED),
        # An operator has ended it: at once, and afterwards.
        ({**STARTED, "stop_cause": "cancelled", "states": {"waiting": 1, "sent": 1}}, BroadcastPhase.CANCELLED),
        ({**ENDED, "states": {"cancelled": 1, "sent": 1}}, BroadcastPhase.CANCELLED),
        # Sent again after its end.
        ({**ENDED, "audience": 2, "states": {"waiting": 1}}, BroadcastPhase.SENDING),
        # Replaced before, or after everybody had it.
        ({**ENDED, **TAKEN_BACK, "states": {"cancelled": 1, "read": 9}}, BroadcastPhase.CANCELLED),
        ({**ENDED, **TAKEN_BACK, "states": {"read": 10}}, BroadcastPhase.FINISHED),
    ],
)
def test_the_phase_follows_what_is_known(told: dict[str, Any], phase: BroadcastPhase) -> None:
    status = build_status(**told)
    assert status.phase is phase
    assert status.is_final == (phase in (BroadcastPhase.FINISHED, BroadcastPhase.CANCELLED))


def test_nobody_waits_for_what_was_withdrawn_or_corrected_before_it_began() -> None:
    planned = build_status(audience=6_000, accepted_at=NOON)
    assert [line.state for line in list_account(planned)] == ["waiting"]
    dropped = replace(planned, cancelled_at=NOON)
    assert [(line.state, line.count) for line in list_account(dropped)] == [("cancelled", 6_000)]
    assert (dropped.waiting, dropped.done, dropped.percent) == (0, 0, 0)
    assert (planned.is_settled, dropped.is_settled) == (False, True)


@pytest.mark.parametrize("told", [TAKEN_BACK, {"stop_cause": "cancelled"}], ids=["withdrawn", "ended"])
def test_of_what_is_withdrawn_or_ended_only_requests_in_flight_still_wait(told: dict[str, Any]) -> None:
    states = {"sent": 10, "waiting": 5, "claimed": 2, "cancelled": 1}
    running = build_status(audience=30, states=states, **STARTED, **told)
    assert {line.state: line.count for line in list_account(running)} == {"sent": 10, "waiting": 2, "cancelled": 18}
    assert (running.done, running.is_settled) == (10, False)
    assert replace(running, states={"sent": 10}).is_settled


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
    status = build_status(audience=10, states=states, **ENDED)
    assert explain_withdrawal(status).startswith(words)
    assert "Im Archiv" not in explain_withdrawal(replace(status, started_at=None))


def test_what_is_withdrawn_says_so_once_it_has_ended() -> None:
    running = build_status(audience=10, withdrawn_at=NOON, **STARTED)
    assert running.phase_name == "wird gesendet"
    for ended in (replace(running, finished_at=NOON, states={"read": 10}), replace(running, cancelled_at=NOON)):
        assert ended.phase_name == "zurückgezogen"


def test_who_withdraws_a_correction_that_is_under_way_reads_that_the_whole_notice_goes() -> None:
    assert "die ganze Meldung" in explain_withdrawal(None, is_correction=True)
    assert "die ganze Meldung" not in explain_withdrawal(None)


@pytest.mark.parametrize(
    ("hour", "told", "continues_at"),
    [
        (23, STARTED, 31),
        (3, STARTED, 7),
        (12, STARTED, None),
        (23, STARTED | {"lane": "urgent"}, None),
        (23, STARTED | {"stop_cause": "broadcast"}, None),
        (23, ENDED, None),
        (23, {}, None),
    ],
)
def test_what_waits_for_the_permitted_hours_says_until_when(
    hour: int, told: dict[str, Any], continues_at: int | None
) -> None:
    """In winter, so that 8 in the morning is 7 in UTC."""
    hours = PermittedHours(opens=time(8), closes=time(20), zone="Europe/Berlin")
    midnight = datetime(2026, 12, 1, tzinfo=UTC)
    found = find_continuation(build_status(**{"lane": "bulk", **told}), hours, midnight + timedelta(hours=hour))
    assert found == (None if continues_at is None else midnight + timedelta(hours=continues_at))
    assert find_continuation(build_status(lane="bulk", **STARTED), None, midnight) is None

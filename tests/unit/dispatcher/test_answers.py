"""Ledger records of each answer."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import product
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.dispatcher.domain.errors import (
    ERROR_RULES,
    MANY_ATTEMPTS,
    ErrorAction,
    compute_retry_delay,
    find_error_rule,
)
from services.dispatcher.domain.pacing import PROBE_DELAY_SECONDS
from services.dispatcher.domain.send_results import (
    ConnectedLate,
    ErrorResponse,
    NoResponse,
    NotSent,
    Record,
    Refused,
    SendResult,
    Unreachable,
    build_record,
)
from services.dispatcher.domain.states import DeliveryState
from services.dispatcher.handlers.lanes import LANES_OPEN_TIMEOUT_SECONDS

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
DELIVERY = UUID(int=7)


def record(answer: SendResult, attempt: int = 1) -> Record:
    return build_record(partial(Record, DELIVERY, 1), answer, attempt=attempt, now=NOW, jitter=1.0, templated=True)


def test_an_answer_that_never_came_is_unknown_and_not_an_error() -> None:
    assert record(NoResponse("timeout")).state is DeliveryState.UNKNOWN


def test_what_was_not_written_waits_and_costs_no_attempt() -> None:
    refused = Refused("HTTP 403 that is not from Meta", foreign=True)
    alone = replace(refused, isolated=True)
    waits: dict[SendResult, int] = {NotSent(): 0, ConnectedLate(): 0, Unreachable("refused"): 1, refused: 5, alone: 30}
    for (answer, seconds), attempt in product(waits.items(), (1, 50)):
        result = record(answer, attempt)
        due_at = NOW + timedelta(seconds=seconds)
        assert (result.state, result.due_at, result.attempted) == (DeliveryState.WAITING, due_at, False)


@pytest.mark.parametrize("code", [190, 0, 10, 131042, 368, 215])
def test_when_the_account_is_in_trouble_messages_wait_for_a_person(code: int) -> None:
    results = [record(ErrorResponse(code, 401), attempt) for attempt in (1, 50)]
    assert {(result.state, result.attempted) for result in results} == {(DeliveryState.WAITING, False)}


def test_what_the_sender_was_refused_for_lets_another_message_be_the_next_probe() -> None:
    due_at = record(ErrorResponse(190, 401)).due_at
    assert due_at is not None
    assert PROBE_DELAY_SECONDS < (due_at - NOW).total_seconds() < PROBE_DELAY_SECONDS + LANES_OPEN_TIMEOUT_SECONDS


def test_what_is_refused_alone_is_tried_for_long_and_fails_in_the_end() -> None:
    first, last = (record(ErrorResponse(131005, 403, isolated=True), attempt) for attempt in (1, MANY_ATTEMPTS))
    assert (first.state, first.due_at, first.attempted) == (DeliveryState.WAITING, NOW + timedelta(seconds=1), True)
    assert (last.state, last.error_code) == (DeliveryState.FAILED, 131005)


@pytest.mark.parametrize(("asked", "waited"), [(40.0, 40), (600.0, 60), (86_400.0, 60)])
def test_retry_after_is_honoured_up_to_a_minute(asked: float, waited: int) -> None:
    result = record(ErrorResponse(130429, 429, retry_after=asked))
    assert result.due_at == NOW + timedelta(seconds=waited)


@pytest.mark.parametrize("code", [133000, 133005, 133006, 133008, 133009, 133010, 133015, 133016])
def test_a_number_that_is_not_registered_costs_no_message(code: int) -> None:
    assert record(ErrorResponse(code, 400), attempt=99).state is DeliveryState.WAITING


@pytest.mark.parametrize("code", [code for code, rule in ERROR_RULES.items() if rule.action is ErrorAction.TEMPLATE])
def test_a_reply_has_no_template_that_it_could_wait_for(code: int) -> None:
    answer = ErrorResponse(code, 400)
    result = build_record(partial(Record, DELIVERY, 1), answer, attempt=1, now=NOW, jitter=1.0, templated=False)
    assert (result.state, result.error_code) == (DeliveryState.FAILED, code)


def test_a_code_that_nobody_knows_is_never_retried() -> None:
    assert record(ErrorResponse(999_999, 500)).state is DeliveryState.FAILED


@given(st.sampled_from(sorted(ERROR_RULES)), st.integers(1, 60))
def test_every_retry_of_a_message_has_an_end_unless_it_is_not_about_the_message(code: int, attempt: int) -> None:
    result = record(ErrorResponse(code, 400), attempt)
    rule = ERROR_RULES[code]
    endless = (ErrorAction.SENDER, ErrorAction.TEMPLATE, ErrorAction.SLOWER)
    waits = rule.action in endless or attempt < rule.attempts
    assert result.state is (DeliveryState.WAITING if waits else DeliveryState.FAILED)
    assert (result.due_at is not None) == waits


def test_the_pair_limit_waits_four_to_the_power_of_the_attempt() -> None:
    rule = find_error_rule(131056)
    assert [compute_retry_delay(rule, attempt, 0.5) for attempt in (1, 2, 3)] == [4.0, 16.0, 64.0]


@given(st.integers(1, 30), st.floats(0, 1))
def test_pauses_grow_to_a_minute_and_not_further(attempt: int, jitter: float) -> None:
    assert 0.5 <= compute_retry_delay(find_error_rule(131016), attempt, jitter) <= 60.0


def test_http_statuses_decide_only_where_no_known_code_does() -> None:
    assert find_error_rule(424242, 429).action is ErrorAction.SLOWER
    assert find_error_rule(131026, 500).action is ErrorAction.RECIPIENT
    assert find_error_rule(424242, 503).action is ErrorAction.DROP

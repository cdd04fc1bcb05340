"""Backoff of one replica while Meta is unreachable."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from services.dispatcher.domain.reachability import (
    MAX_BACKOFF_SECONDS,
    MAX_FAILURES,
    UNDECRYPTABLE_REASON,
    Reachability,
)
from services.dispatcher.domain.send_results import (
    Accepted,
    ErrorResponse,
    NoResponse,
    NotSent,
    Refused,
    SendResult,
    Unreachable,
)

PAGE = Refused("HTTP 403 that is not from Meta", foreign=True)


def observe(reachability: Reachability, answers: Sequence[SendResult], now: float = 0.0) -> list[bool]:
    return [reachability.observe(answer, now) for answer in answers]


def test_one_answer_of_something_else_is_enough() -> None:
    for answer in (PAGE, NoResponse("HTTP 200 that is not from Meta", foreign=True)):
        reachability = Reachability()
        assert observe(reachability, [answer, answer]) == [True, False]
        assert reachability.get_backoff_seconds(0.0) == 1.0


def test_single_failures_among_answers_are_not() -> None:
    reachability = Reachability()
    observe(
        reachability, [Unreachable("refused"), NoResponse("timeout"), ErrorResponse(131056, 400), Accepted("m")] * 20
    )
    assert reachability.reason is None


@pytest.mark.parametrize("answer", [Unreachable("refused"), NoResponse("timeout")])
def test_ten_in_a_row_are(answer: SendResult) -> None:
    reachability = Reachability()
    assert observe(reachability, [answer] * MAX_FAILURES) == [False] * (MAX_FAILURES - 1) + [True]


def test_three_addresses_in_a_row_that_cannot_be_decrypted_tell_of_a_wrong_key() -> None:
    reachability = Reachability()
    assert observe(reachability, [Refused(UNDECRYPTABLE_REASON)] * 3) == [False, False, True]
    assert reachability.reason == UNDECRYPTABLE_REASON


def test_rests_grow_to_half_a_minute_and_metas_first_word_ends_them() -> None:
    reachability, now, rests = Reachability(), 0.0, []
    for _ in range(8):
        reachability.observe(PAGE, now)
        rests.append(reachability.get_backoff_seconds(now))
        now += rests[-1]
        assert reachability.get_backoff_seconds(now) == 0.0, "one message may be tried"
    assert rests == [1, 2, 4, 8, 16, MAX_BACKOFF_SECONDS, MAX_BACKOFF_SECONDS, MAX_BACKOFF_SECONDS]
    assert reachability.since == 0.0
    assert reachability.observe(ErrorResponse(131026, 400), now), "a refusal is Meta's word, too"
    assert (reachability.reason, reachability.get_backoff_seconds(now)) == (None, 0.0)


def test_what_was_under_way_when_a_rest_began_does_not_prolong_it() -> None:
    reachability = Reachability()
    observe(reachability, [PAGE] + [PAGE] * 50 + [NotSent()])
    assert reachability.get_backoff_seconds(0.0) == 1.0


def test_what_is_refused_alone_makes_no_replica_rest() -> None:
    reachability, alone = Reachability(), replace(PAGE, isolated=True)
    assert observe(reachability, [alone] * MAX_FAILURES) == [False] * MAX_FAILURES

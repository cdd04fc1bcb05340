"""The lattice of states: never backwards, independent of order and repetition."""

from functools import reduce
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from services.dispatcher.domain.states import STATES_BY_STATUS, DeliveryState
from tests.factories.state_model import PROVEN_STATES, STATE_ORDER, advance

STATES = (DeliveryState.ACCEPTED, DeliveryState.SENT, DeliveryState.DELIVERED, DeliveryState.READ, DeliveryState.FAILED)


@given(
    st.sampled_from((DeliveryState.CLAIMED, DeliveryState.UNKNOWN)),
    st.lists(st.sampled_from(STATES), min_size=1, max_size=4),
)
def test_the_order_of_reports_does_not_matter(start: DeliveryState, reports: list[DeliveryState]) -> None:
    results = set()
    for order in permutations(reports):
        state = start
        for item in order:
            state = advance(state, item)
        results.add(state)
    assert len(results) == 1


@given(st.sampled_from(list(DeliveryState)), st.sampled_from(STATES))
def test_the_same_report_twice_changes_nothing(old: DeliveryState, new: DeliveryState) -> None:
    once = advance(old, new)
    assert advance(once, new) is once


@given(st.sampled_from(STATE_ORDER), st.sampled_from(STATES))
def test_a_way_is_never_walked_backwards(old: DeliveryState, new: DeliveryState) -> None:
    result = advance(old, new)
    assert result is DeliveryState.FAILED or STATE_ORDER.index(result) >= STATE_ORDER.index(old)


def test_a_failure_gives_way_to_a_proof_of_delivery_and_to_nothing_else() -> None:
    assert {new: advance(DeliveryState.FAILED, new) for new in STATES} == {
        DeliveryState.ACCEPTED: DeliveryState.FAILED,
        DeliveryState.SENT: DeliveryState.FAILED,
        DeliveryState.DELIVERED: DeliveryState.DELIVERED,
        DeliveryState.READ: DeliveryState.READ,
        DeliveryState.FAILED: DeliveryState.FAILED,
    }
    assert all(advance(proof, DeliveryState.FAILED) is proof for proof in PROVEN_STATES)


def test_of_several_words_the_same_one_counts_wherever_they_are_compared() -> None:
    words = list(dict.fromkeys(STATES_BY_STATUS.values()))
    for order in permutations(words):
        for count in range(1, len(order) + 1):
            assert max(order[:count], key=words.index) is reduce(advance, order[:count])


def test_words_that_mean_nothing_to_us_have_no_state() -> None:
    assert [STATES_BY_STATUS.get(word) for word in ("played", "deleted", "", "SENT")] == [
        DeliveryState.READ,
        None,
        None,
        None,
    ]

"""The lattice of states: never backwards, independent of order and repetition."""

from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from services.dispatcher.domain.states import PROOF, STATUSES, WAY, State, advance

NEWS = (State.ACCEPTED, State.SENT, State.DELIVERED, State.READ, State.FAILED)


@given(st.sampled_from((State.CLAIMED, State.UNKNOWN)), st.lists(st.sampled_from(NEWS), min_size=1, max_size=4))
def test_the_order_of_news_does_not_matter(start: State, news: list[State]) -> None:
    results = set()
    for order in permutations(news):
        state = start
        for item in order:
            state = advance(state, item)
        results.add(state)
    assert len(results) == 1


@given(st.sampled_from(list(State)), st.sampled_from(NEWS))
def test_the_same_news_twice_changes_nothing(old: State, new: State) -> None:
    once = advance(old, new)
    assert advance(once, new) is once


@given(st.sampled_from(WAY), st.sampled_from(NEWS))
def test_a_way_is_never_walked_backwards(old: State, new: State) -> None:
    result = advance(old, new)
    assert result is State.FAILED or WAY.index(result) >= WAY.index(old)


def test_a_failure_gives_way_to_a_proof_of_delivery_and_to_nothing_else() -> None:
    assert {new: advance(State.FAILED, new) for new in NEWS} == {
        State.ACCEPTED: State.FAILED,
        State.SENT: State.FAILED,
        State.DELIVERED: State.DELIVERED,
        State.READ: State.READ,
        State.FAILED: State.FAILED,
    }
    assert all(advance(proof, State.FAILED) is proof for proof in PROOF)


def test_words_that_mean_nothing_to_us_have_no_state() -> None:
    assert [STATUSES.get(word) for word in ("played", "deleted", "", "SENT")] == [State.READ, None, None, None]

"""Meta's words for states: the later one counts, as in the ledger."""

from functools import reduce
from itertools import permutations

from services.dispatcher.domain.states import STATES_BY_STATUS, DeliveryState
from tests.factories.state_model import advance


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

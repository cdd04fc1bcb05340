"""States form a lattice: in whatever order statuses come, the result is the same and never goes back."""

from hypothesis import given
from hypothesis import strategies as st

from simulator.account import Account
from simulator.citizens import Content, Message
from simulator.states import RANK, State, later

states = st.sampled_from(State)


@given(states, states, states)
def test_the_order_in_which_statuses_arrive_does_not_matter(first: State, second: State, third: State) -> None:
    assert later(first, second) is later(second, first)
    assert later(later(first, second), third) is later(first, later(second, third))
    assert later(first, first) is first


@given(st.lists(states, max_size=30))
def test_a_message_only_moves_forward_and_is_counted_once(arriving: list[State]) -> None:
    account = Account()
    message = Message(1, 1, "wamid.X", "text", Content("Hallo"), 0.0, "service")
    account.accept(message)
    before = message.state
    for state in arriving:
        moved = account.advance(message, state)
        assert RANK[message.state] >= RANK[before]
        assert moved == (message.state is not before)
        before = message.state
    assert account.delivered + account.failed <= 1
    assert account.read <= account.delivered


def test_a_phone_that_showed_the_message_outweighs_a_failure() -> None:
    assert later(State.FAILED, State.DELIVERED) is State.DELIVERED
    assert later(State.SENT, State.FAILED) is State.FAILED

"""In whatever order statuses come, a message never goes back."""

from hypothesis import given
from hypothesis import strategies as st

from simulator.account import MessageLog
from simulator.citizens import BusinessMessage, PhoneContent
from simulator.states import RANK, MessageState, pick_later

states = st.sampled_from(MessageState)


@given(st.lists(states, max_size=30))
def test_a_message_only_moves_forward_and_is_counted_once(arriving: list[MessageState]) -> None:
    account = MessageLog()
    message = BusinessMessage(1, 1, "wamid.X", "text", PhoneContent("Hallo"), 0.0, "service")
    account.accept(message)
    before = message.state
    for state in arriving:
        moved = account.advance(message, state)
        assert RANK[message.state] >= RANK[before]
        assert moved == (message.state is not before)
        before = message.state
    assert account.totals["delivered"] + account.totals["failed"] <= 1
    assert account.totals["read"] <= account.totals["delivered"]


def test_a_phone_that_showed_the_message_outweighs_a_failure() -> None:
    assert pick_later(MessageState.FAILED, MessageState.DELIVERED) is MessageState.DELIVERED
    assert pick_later(MessageState.SENT, MessageState.FAILED) is MessageState.FAILED

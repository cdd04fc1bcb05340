from hypothesis import given
from hypothesis import strategies as st

from services.subscriptions.domain.subscriber import indexes
from services.subscriptions.domain.waves import waves
from shared.contracts.inbound import InboundMessage
from tests.unit.subscriptions.material import both, message, phone, user

MESSAGES = st.lists(
    st.builds(
        message,
        sender=st.builds(lambda kind, citizen: kind(citizen), st.sampled_from([both, phone, user]), st.integers(1, 6)),
        seconds=st.integers(0, 9),
    ),
    max_size=20,
)


@given(MESSAGES, st.integers(1, 5))
def test_waves_keep_the_order_and_never_hold_two_messages_of_one_address(
    messages: list[InboundMessage], size: int
) -> None:
    cut = list(waves(messages, size))
    assert [each for wave in cut for each in wave] == messages
    for wave in cut:
        addresses = [index for each in wave for index in indexes(each.sender)]
        assert len(addresses) == len(set(addresses))
        assert 0 < len(wave) <= size

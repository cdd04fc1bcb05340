"""Faults happen as often as asked for, and the same seed gives the same run."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.faults import ActiveFaults, Faults, Interference, plan_interference, plan_webhook_delays
from simulator.states import RANK, MessageState, plan_statuses

shares = st.floats(0, 1)
seeds = st.integers(0, 2**63 - 1)


@given(seed=seeds, share=st.sampled_from([0.1, 0.5, 0.9]))
def test_shares_are_kept(seed: int, share: float) -> None:
    faults = Faults(seed=seed, reject_share=share)
    rejected = sum(plan_interference(faults, number).reject for number in range(2000))
    assert abs(rejected / 2000 - share) < 0.08


def test_the_same_seed_gives_the_same_run_again() -> None:
    box = ActiveFaults()
    faults = Faults(seed=7, reject_share=0.3, cut_after_accept_share=0.3, webhook_shuffle=True)
    box.replace(faults)
    first = [(box.plan_next_request(), box.plan_next_update()) for _ in range(50)]
    box.replace(faults)
    assert [(box.plan_next_request(), box.plan_next_update()) for _ in range(50)] == first
    box.replace(Faults(seed=8, reject_share=0.3, cut_after_accept_share=0.3, webhook_shuffle=True))
    assert [(box.plan_next_request(), box.plan_next_update()) for _ in range(50)] != first


def test_without_faults_nothing_is_disturbed() -> None:
    box = ActiveFaults()
    assert (box.plan_next_request(), box.plan_next_update()) == (Interference(), [0.0])


@given(seed=seeds, number=st.integers(0, 1000), delay=st.floats(0, 10))
def test_a_duplicated_update_is_two_updates_and_none_is_early(seed: int, number: int, delay: float) -> None:
    faults = Faults(seed=seed, webhook_duplicate_share=1, webhook_delay_seconds=delay, webhook_shuffle=True)
    delays = plan_webhook_delays(faults, number)
    assert len(delays) == 2
    assert all(one >= delay for one in delays)


@given(seed=seeds, number=st.integers(1, 1000), read=shares, fail=shares, refused=st.booleans())
def test_a_fate_moves_forward_and_tells_the_price_as_meta_does(
    seed: int, number: int, read: float, fail: float, refused: bool
) -> None:
    fate = plan_statuses(Faults(seed=seed, read_share=read, fail_share=fail), number, refused=refused)
    assert [step.after for step in fate] == sorted(step.after for step in fate)
    ranks = [RANK[step.state] for step in fate]
    assert ranks == sorted(set(ranks))
    if fate[0].state is MessageState.FAILED:
        assert [step.code for step in fate] == [131050 if refused else 131026]
    else:
        assert [step.priced for step in fate] == [True, True, False][: len(fate)]


def test_shares_decide_the_fate_at_their_ends() -> None:
    for number in range(200):
        assert plan_statuses(Faults(read_share=1), number, refused=False)[-1].state is MessageState.READ
        assert plan_statuses(Faults(read_share=0), number, refused=False)[-1].state is MessageState.DELIVERED
        assert plan_statuses(Faults(fail_share=1), number, refused=False)[-1].state is MessageState.FAILED


@pytest.mark.parametrize("wrong", [{"reject_share": 1.1}, {"reject_status": 200}, {"latency": 1}, {"seed": -1}])
def test_faults_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong, Faults)

"""Only rejections with one code, with no acceptance between them, pause a broadcast."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from services.dispatcher.handlers.pauses import MAX_BROADCASTS, MAX_REJECTIONS_IN_A_ROW, Rejections

ACCEPTED = 0
answers = st.lists(
    st.tuples(st.sampled_from([UUID(int=1), UUID(int=2)]), st.sampled_from([ACCEPTED, 100, 100, 100, 131009])),
    max_size=200,
)


@given(answers, st.sampled_from([100, 131009]))
def test_it_pauses_exactly_after_so_many_in_a_row(before: list[tuple[UUID, int]], code: int) -> None:
    rejections, rows = Rejections(), dict[UUID, list[int]]()
    for broadcast, answer in [*before, *[(UUID(int=1), code)] * MAX_REJECTIONS_IN_A_ROW]:
        row = rows.setdefault(broadcast, [])
        if answer == ACCEPTED:
            rejections.restart(broadcast)
            row.clear()
            continue
        row[:] = [*row, answer] if set(row) <= {answer} else [answer]
        paused = rejections.observe(broadcast, answer, [UUID(int=len(row))])
        assert paused == (len(row) == MAX_REJECTIONS_IN_A_ROW)
        if paused:
            row.clear()


def test_it_keeps_the_newest_of_many_broadcasts() -> None:
    rejections = Rejections()
    for number in range(MAX_BROADCASTS + 1):
        for delivery in range(MAX_REJECTIONS_IN_A_ROW - 1):
            assert not rejections.observe(UUID(int=number), 100, [UUID(int=delivery)])
    assert rejections.observe(UUID(int=MAX_BROADCASTS), 100, [UUID(int=MAX_REJECTIONS_IN_A_ROW)])
    assert not rejections.observe(UUID(int=0), 100, [UUID(int=MAX_REJECTIONS_IN_A_ROW)])


def test_a_message_that_is_rejected_again_and_again_counts_once() -> None:
    rejections = Rejections()
    assert not any(rejections.observe(UUID(int=1), 131031, [UUID(int=2)]) for _ in range(2 * MAX_REJECTIONS_IN_A_ROW))

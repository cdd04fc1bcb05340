"""Which moment an answer belongs to, if the citizen's clock is wrong."""

from uuid import UUID

import pytest

from services.subscriptions.domain.change_sets import build_publications
from tests.factories.citizens import build_context, build_message, build_time, understand_message

MONTH_SECONDS, HOUR_SECONDS = 30 * 86_400.0, 3_600.0


@pytest.mark.parametrize("lag", [-MONTH_SECONDS, HOUR_SECONDS])
def test_a_reply_belongs_to_the_earlier_of_both_clocks(lag: float) -> None:
    said = build_message("Start", lag=lag)
    _, decision = understand_message(None, said, build_context(seconds=lag + 1))
    (reply,) = [UUID(one.message_id) for one in build_publications(said, None, decision) if one.key == "reply"]
    assert reply.int >> 80 == build_time(min(0.0, lag)).timestamp() * 1000

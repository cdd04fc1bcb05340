"""A check without an answer of subscriptions: it tells what is known and what is not."""

from pathlib import Path

from tests.harness.notices_api import data, event, run_notices_api


async def test_a_check_without_an_answer_says_what_it_could_not_find_out(broker_url: str, tmp_path: Path) -> None:
    async with run_notices_api(broker_url, tmp_path) as alone:
        told = await alone.publish(event(data=data()), path="/notices/check")
    assert (told.status, "audience" in told.body) == (200, False)
    assert "could not be determined" in told.body["blockers"][0]

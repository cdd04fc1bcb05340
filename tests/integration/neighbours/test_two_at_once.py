"""Two municipal logins that do their worst at the same time: citizens who write "Stop" do not notice."""

from collections.abc import AsyncIterator
from functools import partial

import pytest

from shared.amqp import topology
from tests.integration.neighbours.harness import MunicipalHarness, run_municipal_harness
from tests.integration.neighbours.test_floods import BUSY_MACHINE, PROMISED_SECONDS
from tests.servers import wait_for

pytestmark = [pytest.mark.timeout(400), pytest.mark.alone]
STOPS = 700
MAX_REJECTION = 5_000  # about: it names twenty fields that nobody knows
REJECTIONS = 8_000  # of that size, which a login makes in seven minutes


@pytest.fixture(scope="module")
async def county(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[MunicipalHarness]:
    async with run_municipal_harness(tmp_path_factory.mktemp("county")) as running:
        await running.publish_rejections(REJECTIONS, MAX_REJECTION)
        yield running


async def test_one_that_reads_no_answer_is_no_trouble_to_anybody(county: MunicipalHarness) -> None:
    usual = await county.measure_answers(300, "Stop")
    async with county.flood_broker("unread", 0):
        taken = await county.measure_answers(STOPS, "Stop")
    await nobody_else_noticed(county, usual, taken)


@pytest.mark.parametrize("other", ["looped", "unread", "published", "uncommitted"])
async def test_one_floods_and_another_one_does_its_worst(county: MunicipalHarness, other: str) -> None:
    usual = await county.measure_answers(300, "Stop")
    async with (
        county.flood_broker("published", 20_000) as first,
        county.flood_broker(other, 40_000, url=county.other_url),
    ):
        taken = await county.measure_answers(STOPS, "Stop")
    assert first["megabyte"] > 0
    await nobody_else_noticed(county, usual, taken)


async def nobody_else_noticed(county: MunicipalHarness, usual: float, taken: float) -> None:
    """And nothing of it goes on by itself."""
    assert county.read_alarms() == []
    assert await county.count_refused_webhooks() == 0
    assert taken < max(PROMISED_SECONDS, BUSY_MACHINE * usual)
    await wait_for(partial(is_quiet, county), 120)


async def is_quiet(county: MunicipalHarness) -> bool:
    notices = await county.fetch_queue(topology.SUBSCRIPTIONS_NOTICES.name)
    return not notices.get("messages", 0)

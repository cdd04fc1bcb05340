"""Every query of every dashboard, and every alert, on a Prometheus that has seen the system at work."""

import asyncio
import re
import time
from collections.abc import Mapping
from math import isnan
from uuid import uuid4

import aiohttp
import pytest

from deploy.grafana.boards import BOARDS
from deploy.grafana.dashboard import BROADCASTS, STARTS
from tests.e2e.monitoring.watched_town import ALERT_EXPRESSIONS, WatchedTown
from tests.e2e.newsroom.press_town import PATIENCE
from tests.prometheus import ALERTS, PrometheusClient, ensure_prometheus
from tests.servers import wait_for
from tools.dashboards import Period, fetch_charts, render_page

pytestmark = pytest.mark.timeout(600)

TESTS = ("alerts_test.yml", "alerts_long_test.yml")
QUERIES: Mapping[str, str] = {
    "annotation: broadcasts": BROADCASTS.replace("[1m]", "[15m]"),
    "annotation: starts": STARTS,
    **{f"{board.name}: variable": f'up{{job=~"{board.job}"}}' for board in BOARDS if board.job},
    **{
        f"{board.name}: {panel.title}: {query.legend}": query.expression
        for board in BOARDS
        for panel in board.panels
        for query in panel.queries
    },
}


@pytest.fixture(scope="module")
async def busy(town: WatchedTown) -> WatchedTown:
    """What a day has, in a minute: notices from editors and over HTTP, answers, feedback, somebody who leaves."""
    press = town.press
    text = f"Ein Tag, {uuid4().hex[:8]}."
    path = await press.publish(text=text)
    for words in ("Feedback: gut so", "Hilfe", "Stop", "Start"):
        await town.let_somebody_write(words)
    await press.wait_for_text(await press.follow(path), "abgeschlossen")
    return town


async def test_every_query_has_an_answer_and_every_panel_is_drawn(busy: WatchedTown) -> None:
    missing: list[str] = []

    async def answered() -> bool:
        """A series that is born with its first event has no increase before the second."""
        await busy.knock()
        missing[:] = [name for name, query in QUERIES.items() if not await has_data(busy.prometheus, query)]
        return not missing

    try:
        await wait_for(answered, PATIENCE)
    except TimeoutError:
        pytest.fail(f"no data: {missing}")
    await check_pictures(busy.prometheus)


async def check_pictures(prometheus: PrometheusClient) -> None:
    """No panel of the last minutes is drawn empty."""
    now = int(time.time())
    period = Period(now - 900, now)
    for board in BOARDS:
        charts = await fetch_charts(prometheus.session, prometheus.url, board, period)
        assert not [chart.panel.title for chart in charts if not chart.lines], board.name
        assert render_page(board, charts, (), period).count("<section") == len(board.panels)


async def has_data(prometheus: PrometheusClient, expression: str) -> bool:
    """What Grafana asks, with its variables filled in; a quotient of nothing is no answer."""
    filled = re.sub(r"\$__(rate_interval|range)", "15m", expression).replace("$instance", ".*")
    return any(not isnan(float(series["value"][1])) for series in await prometheus.query(filled))


async def test_no_alert_is_true_while_all_is_well(busy: WatchedTown) -> None:
    """In windows that no fault of another test reaches into."""
    await busy.wait_until(*ALERT_EXPRESSIONS, true=False, within="15s")


@pytest.mark.parametrize("arguments", [("check", "rules", "alerts.yml"), ("test", "rules", *TESTS)])
async def test_promtool_is_content_with_the_rules(arguments: tuple[str, ...]) -> None:
    said = await run_promtool(*arguments)
    assert "SUCCESS" in said


async def test_promtool_is_content_with_every_metric(busy: WatchedTown) -> None:
    async with aiohttp.ClientSession() as session:
        ours = {name: url for name, url in busy.stack.metrics_urls.items() if name != "rabbitmq"}
        assert len(ours) == 6
        for url in ours.values():
            async with session.get(url) as answer:
                assert await run_promtool("check", "metrics", given=await answer.read()) == ""


async def run_promtool(*arguments: str, given: bytes = b"") -> str:
    programs = await ensure_prometheus()
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        str(programs.promtool), *arguments, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.STDOUT, cwd=ALERTS.parent
    )
    said, _ = await process.communicate(given)
    assert process.returncode == 0, said.decode()
    return said.decode()

"""Every query of every dashboard, and every alert, on a Prometheus that has seen the system at work."""

import re
import time
from collections.abc import Iterator, Mapping
from uuid import uuid4

import aiohttp
import pytest

from tests.e2e.monitoring.editorial_system import PATIENCE
from tests.e2e.monitoring.monitored_system import MonitoredSystem
from tests.e2e.monitoring.night_operator import run_program
from tests.e2e.notices.harness import CITIZENS
from tests.prometheus import PrometheusClient, ensure_prometheus
from tests.servers import wait_until_equal
from tools.dashboards import BOARDS, Dashboard, Period, fetch_charts, fetch_lines, render_page

pytestmark = pytest.mark.timeout(600)

TESTS = ("alerts_test.yml", "alerts_long_test.yml")


def list_other_queries(dashboard: Dashboard) -> Iterator[tuple[str, str]]:
    """Yield names and expressions of annotations and variables."""
    yield from dashboard.annotations.items()
    for variable in dashboard.json["templating"]["list"][1:]:
        yield variable["name"], re.findall(r"label_values\((.+), instance\)", variable["query"]["query"])[0]


QUERIES: Mapping[str, str] = {
    f"{dashboard.name}: {name}": query.replace("$__rate_interval", "15m")
    for dashboard in BOARDS
    for name, query in list_other_queries(dashboard)
}


@pytest.fixture(scope="module")
async def busy(system: MonitoredSystem) -> MonitoredSystem:
    """What a day has, in a minute: notices from editors and over HTTP, answers, feedback, somebody who leaves."""
    editors = system.editors
    text = f"Ein Tag, {uuid4().hex[:8]}."
    path = await editors.publish(text=text)
    for words in ("Feedback: gut so", "Hilfe", "Start"):
        await system.let_somebody_write(words)
    stranger = await editors.simulator.add_citizens(1, bsuid_only=0)
    for words, subscribed in (("Start", CITIZENS + 1), ("Stop", CITIZENS)):
        await editors.simulator.send_text(stranger, words, per_second=10)
        await editors.wait_until_subscribed(subscribed)
    await editors.wait_for_text(await editors.follow(path), "abgeschlossen")
    return system


async def test_every_query_has_an_answer_and_every_panel_is_drawn(busy: MonitoredSystem) -> None:

    async def list_unanswered() -> list[str]:
        """A series that is born with its first event has no increase before the second."""
        await busy.knock()
        missing = [name for name, query in QUERIES.items() if not await busy.prometheus.query(query)]
        return [*missing, *await list_empty_queries(busy.prometheus)]

    await wait_until_equal(list_unanswered, [], PATIENCE)
    for dashboard in BOARDS:
        period = choose_period()
        charts = await fetch_charts(busy.prometheus.session, busy.prometheus.url, dashboard, period)
        assert "No data" not in render_page(dashboard, charts, (), period)


def choose_period() -> Period:
    return Period(int(time.time()) - 900, int(time.time()))


async def list_empty_queries(prometheus: PrometheusClient) -> list[str]:
    return [
        f"{dashboard.name}: {panel.title}: {query.legend}"
        for dashboard in BOARDS
        for panel in dashboard.panels
        for query in panel.queries
        if not await fetch_lines(prometheus.session, prometheus.url, query, choose_period())
    ]


async def test_no_alert_is_true_while_all_is_well(busy: MonitoredSystem) -> None:
    # Not even one that has not lasted for long enough; what another test broke may have to end first.
    await wait_until_equal(lambda: busy.prometheus.query("ALERTS"), [], PATIENCE)


@pytest.mark.parametrize("arguments", [("check", "rules", "alerts.yml"), ("test", "rules", *TESTS)])
async def test_promtool_is_content_with_the_rules(arguments: tuple[str, ...]) -> None:
    said = await run_promtool(*arguments)
    assert "SUCCESS" in said


async def test_promtool_is_content_with_every_metric(busy: MonitoredSystem) -> None:
    async with aiohttp.ClientSession() as session:
        ours = {name: url for name, url in busy.stack.metrics_urls.items() if name != "rabbitmq"}
        assert len(ours) == 6
        for url in ours.values():
            async with session.get(url) as answer:
                assert await run_promtool("check", "metrics", given=await answer.read()) == ""


async def run_promtool(*arguments: str, given: bytes = b"") -> str:
    """With less effort for a small memory."""
    return await run_program("env", "GOGC=400", str((await ensure_prometheus()).promtool), *arguments, given=given)

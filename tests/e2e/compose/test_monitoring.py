"""Dashboards and alerts on a real Prometheus, after the main use case."""

import re

import pytest

from tests.e2e.compose.conftest import MainUseCaseResult
from tests.prometheus import PrometheusClient
from tests.servers import wait_for
from tools.dashboards import BOARDS

pytestmark = pytest.mark.timeout(900)

# What containers leave out: feeds, and a newsroom in which somebody works.
EXPRESSIONS = {
    f"{dashboard.name}: {panel.title}: {query.legend}": query.expression
    for dashboard in BOARDS
    if dashboard.name not in ("feeds", "newsroom")
    for panel in dashboard.panels
    for query in panel.queries
}


@pytest.mark.parametrize("title", EXPRESSIONS)
async def test_every_query_of_the_dashboards_has_an_answer(
    title: str, played: MainUseCaseResult, prometheus: PrometheusClient
) -> None:
    expression = re.sub(r"\$__(rate_interval|range)", "15m", EXPRESSIONS[title]).replace("$instance", ".*")
    await wait_for(lambda: prometheus.query(expression))  # a rate needs two looks at the metrics


async def test_no_alert_fires_when_all_is_well(played: MainUseCaseResult, prometheus: PrometheusClient) -> None:
    assert await prometheus.query('ALERTS{alertstate="firing"}') == []

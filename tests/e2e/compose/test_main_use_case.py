"""The main use case on containers, with several dispatchers."""

import pytest

from simulator.client import SimulatorClient
from tests.e2e.compose.conftest import CITIZENS, DISPATCHERS, FIRST, SECOND, MainUseCaseResult
from tests.e2e.compose.engine import ComposeProject
from tests.prometheus import PrometheusClient

pytestmark = pytest.mark.timeout(900)


def test_everybody_gets_the_first_notice_once(played: MainUseCaseResult) -> None:
    assert sorted(played.list_receivers(FIRST)) == played.citizens


def test_who_left_gets_nothing_more_and_everybody_else_does(played: MainUseCaseResult) -> None:
    assert sorted(played.list_receivers(SECOND)) == [citizen for citizen in played.citizens if citizen != played.left]


async def test_ledger_and_account_say_the_same(
    played: MainUseCaseResult, compose: ComposeProject, simulator: SimulatorClient
) -> None:
    account = await simulator.fetch_account()
    assert await compose.count("select count(*) from dispatcher.delivery") == account["accepted"] == 3 * CITIZENS
    assert len({message.delivery for message in played.outbound}) == len(played.outbound)


async def test_every_replica_of_the_dispatcher_works(played: MainUseCaseResult, prometheus: PrometheusClient) -> None:
    assert await prometheus.query_number('count(up{job="dispatcher"} == 1)') == DISPATCHERS
    assert await prometheus.query_number("max(kreisfunk_dispatcher_replicas_expected)") == DISPATCHERS
    assert await prometheus.query_number("max(kreisfunk_dispatcher_unaccounted)") == 0


async def test_doctor_finds_nothing(played: MainUseCaseResult, compose: ComposeProject) -> None:
    assert " 0 problems" in await compose.run("run", "--rm", "doctor")

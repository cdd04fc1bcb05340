"""The main job on containers, with several dispatchers."""

import pytest

from cli.demo.simulator import Simulator
from tests.e2e.compose.conftest import CITIZENS, DISPATCHERS, FIRST, SECOND, Played
from tests.e2e.compose.engine import Compose
from tests.e2e.compose.prometheus import Prometheus

pytestmark = pytest.mark.timeout(900)


def test_everybody_gets_the_first_notice_once(played: Played) -> None:
    assert sorted(played.receivers(FIRST)) == played.citizens


def test_who_left_gets_nothing_more_and_everybody_else_does(played: Played) -> None:
    assert sorted(played.receivers(SECOND)) == [citizen for citizen in played.citizens if citizen != played.left]


async def test_ledger_and_account_say_the_same(played: Played, compose: Compose, simulator: Simulator) -> None:
    account = await simulator.account()
    assert await compose.count("select count(*) from dispatcher.delivery") == account["accepted"] == 3 * CITIZENS
    assert len({message.delivery for message in played.outbound}) == len(played.outbound)


async def test_every_replica_of_the_dispatcher_works(played: Played, prometheus: Prometheus) -> None:
    assert await prometheus.number('count(up{job="dispatcher"} == 1)') == DISPATCHERS
    assert await prometheus.number("max(kreisfunk_dispatcher_replicas_expected)") == DISPATCHERS
    assert await prometheus.number("max(kreisfunk_dispatcher_unaccounted)") == 0


async def test_doctor_finds_nothing(played: Played, compose: Compose) -> None:
    assert " 0 problems" in await compose.run("run", "--rm", "doctor")

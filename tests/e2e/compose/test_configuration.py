"""Settings in .env reach the services."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.compose_file import list_settings
from tests.e2e.compose.conftest import DISPATCHERS
from tests.e2e.compose.engine import ComposeProject, EngineError

pytestmark = pytest.mark.timeout(900)

# What is more than text for the engine.
NUMBERS = {"DISPATCHERS": "7", "KREISFUNK_DRAIN_SECONDS": "45.5"}


async def test_every_setting_reaches_its_process(compose: ComposeProject, tmp_path: Path) -> None:
    expected = [one for one in list_settings() if one.variable]
    chosen = {one.variable: NUMBERS.get(one.variable, f"{one.variable} of .env") for one in expected}
    file = tmp_path / ".env"
    file.write_text("".join(f"{name}={value}\n" for name, value in chosen.items()))
    environments = await replace(compose, settings={}).read_environments(file)
    heard = {(one.service, one.setting): environments[one.service].get(one.setting) for one in expected}
    assert heard == {(one.service, one.setting): chosen[one.variable] for one in expected}


async def test_services_have_longer_to_drain_than_they_take(compose: ComposeProject) -> None:
    patient = replace(compose, settings={"KREISFUNK_DRAIN_SECONDS": "45"})
    assert (await compose.read_configuration())["services"]["dispatcher"]["stop_grace_period"] == "30s"
    assert (await patient.read_configuration())["services"]["dispatcher"]["stop_grace_period"] == "55s"


async def test_another_up_keeps_the_number_of_dispatchers(compose: ComposeProject) -> None:
    await compose.run("up", "--wait")
    assert len((await compose.run("ps", "-q", "dispatcher")).split()) == DISPATCHERS


async def test_the_simulator_does_not_run_beside_meta(compose: ComposeProject) -> None:
    live = replace(compose, settings={"KREISFUNK_GRAPH_URL": "https://graph.facebook.com"})
    with pytest.raises(EngineError, match="none may run alongside it"):
        await live.run("run", "--rm", "--no-deps", "simulator")

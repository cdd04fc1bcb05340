"""One system for all tests of this folder."""

import re
import shlex
from collections.abc import AsyncIterator

import pytest

from deploy.paths import CONFIG
from tests.contract_recorder.recorder import ContractRecorder
from tests.e2e.notices.harness import GUIDE, SteeringHarness, run_steering_harness
from tests.harness.commands import run_in_process
from tests.servers import make_folder

REGISTRATION = re.compile(r"^    \.venv/bin/kreisfunk (systems add (?:.+\\\n)*.+)$", re.MULTILINE)
WITH_JOBS = 'topics = ["veranstaltungen", "stellen",'


@pytest.fixture(scope="package")
async def system(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SteeringHarness]:
    """A county whose press office may not publish about jobs, with the system that the integrators' guide registers."""
    county = tmp_path_factory.mktemp("county") / "county.toml"
    usual = (CONFIG / "county.toml").read_text()
    county.write_text(usual.replace(WITH_JOBS, WITH_JOBS.removesuffix(' "stellen",'), 1))
    (registration,) = REGISTRATION.findall(GUIDE.read_text())
    arguments = shlex.split(registration.replace("\\\n", " "))
    registered = await run_in_process(*arguments, environment={"KREISFUNK_COUNTY_FILE": str(county)})
    assert registered.status == 0, registered.everything
    with make_folder() as folder:
        async with run_steering_harness(folder, county) as running:
            yield running


@pytest.fixture(scope="module")
async def recorder(system: SteeringHarness) -> ContractRecorder:
    return system.recorder

"""Fixtures of all tests. Servers start when the first test needs one; unit tests never do."""

import gc
import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest
from hypothesis import settings
from xdist.remote import Producer  # type: ignore[import-untyped]  # it has no types
from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

from tests.contract_recorder.recorder import ContractRecorder, record_contracts
from tests.database_pool import DatabasePool, create_pool
from tests.databases import FreshDatabase, create_database, create_template
from tests.servers import Servers, connect_to_database, create_vhost, make_folder, run_servers
from tests.shared_vhost import SharedVhost, declare_shared_vhost

LONGEST = (
    "tests/e2e/browser/newsroom/test_story.py",
    "tests/e2e/monitoring/test_runbook_pages.py",
    "tests/e2e/monitoring/",
    "tests/e2e/notices/",
    "tests/e2e/browser/newsroom/test_pages.py",
    "tests/integration/faults/test_bench.py",
    "tests/integration/dispatcher/test_pauses.py",
    "tests/integration/dispatcher/test_consumer_timeout.py",
    "tests/integration/dispatcher/test_unreachable_for_long.py",
    "tests/integration/dispatcher/test_recoveries.py",
    "tests/integration/subscriptions/test_hostile_texts.py",
    "tests/e2e/",
)
IN_MEMORY = "/dev/shm"
MEMORY_NEEDED = 6 * 1024**3
MEMORY_OF_A_WORKER = 2 * 1024**3
# Tests that share a system; the longest file of a folder has one of its own.
SHARING = (
    "tests/e2e/dialogue/",
    "tests/e2e/monitoring/test_runbook_pages.py",
    "tests/e2e/monitoring/",
    "tests/e2e/notices/",
)

pytest_plugins = ("tests.contract_recorder.plugin", "pytester")

# No deadline, as a busy machine is not a failure. `KREISFUNK_TEST_EXAMPLES=1000 make test` tries more examples.
settings.register_profile("patient", deadline=None, max_examples=int(os.environ.get("KREISFUNK_TEST_EXAMPLES", "50")))
settings.load_profile("patient")


def keep_files_in_memory() -> None:
    """Keep servers' data in memory if there is enough: a disk is slow to create the hundreds of files of a database."""
    if "TMPDIR" in os.environ or not os.path.isdir(IN_MEMORY) or os.statvfs(IN_MEMORY).f_flag & os.ST_NOEXEC:
        return
    if min(psutil.virtual_memory().available, shutil.disk_usage(IN_MEMORY).free) >= MEMORY_NEEDED:
        os.environ["TMPDIR"] = tempfile.tempdir = IN_MEMORY


keep_files_in_memory()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first and unit tests last, so that no worker runs alone at the end."""
    prefixes = [*LONGEST, ""]
    items.sort(
        key=lambda item: (
            next(index for index, prefix in enumerate(prefixes) if item.nodeid.startswith(prefix)),
            "unit" in item.path.parts,
        )
    )


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect no garbage beside tests, and exclude modules and tests, hundreds of megabytes, from looking for it."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_xdist_auto_num_workers() -> int:
    """Return more workers than cores, as most tests mostly wait; each has its own servers in memory."""
    return max(2, min(6, psutil.virtual_memory().available // MEMORY_OF_A_WORKER))


class FilesTogether(LoadFileScheduling):  # type: ignore[misc]  # of no type
    """Scheduling that gives a whole file, and all files that share a system, to one process."""

    def _split_scope(self, nodeid: str) -> str:
        file = str(super()._split_scope(nodeid))
        return next((prefix for prefix in SHARING if nodeid.startswith(prefix)), file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FilesTogether:
    return FilesTogether(config, log)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder for servers."""
    with make_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
async def servers() -> AsyncIterator[Servers]:
    async with run_servers(os.environ) as running:
        yield running


@pytest.fixture(scope="session")
async def database_template(servers: Servers) -> AsyncIterator[str]:
    async with create_template(servers) as name:
        yield name


@pytest.fixture(scope="session")
async def database_pool(servers: Servers, database_template: str) -> AsyncIterator[DatabasePool]:
    async with create_pool(servers, database_template) as pool:
        yield pool


@pytest.fixture
async def database(database_pool: DatabasePool) -> AsyncIterator[FreshDatabase]:
    """A database with all migrations and no other rows, for one test."""
    async with database_pool.lend() as empty:
        yield empty


@pytest.fixture
async def owner(database: FreshDatabase) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the database's owner, which has all rights."""
    async with connect_to_database(database.url) as connection:
        yield connection


@pytest.fixture(scope="module")
async def module_database(servers: Servers, database_template: str) -> AsyncIterator[FreshDatabase]:
    """A fresh database with all migrations, for the tests of one module."""
    async with create_database(servers, database_template) as fresh:
        yield fresh


@pytest.fixture(scope="session")
async def shared_vhost(servers: Servers) -> AsyncIterator[SharedVhost]:
    async with create_vhost(servers, f"test-{secrets.token_hex(6)}") as url:
        yield await declare_shared_vhost(servers, url)


@pytest.fixture(scope="module")
async def recorder(shared_vhost: SharedVhost) -> AsyncIterator[ContractRecorder]:
    """An empty vhost with all exchanges and queues, for the tests of one module, which may add only messages.

    At the end, everything published there must follow the contracts; a test that publishes something else on purpose
    is marked `foreign_messages`, with the reason.
    """
    await shared_vhost.empty()
    async with record_contracts(shared_vhost.url, shared_vhost.servers.broker_api_url) as recorder:
        yield recorder
    await shared_vhost.assert_unchanged()


@pytest.fixture(scope="module")
async def vhost(recorder: ContractRecorder) -> str:
    """The administrator's AMQP URL of the module's vhost."""
    return recorder.url

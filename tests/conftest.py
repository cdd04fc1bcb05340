"""Fixtures for everybody. Servers start when the first test asks for one: unit tests never do."""

import os
import secrets
from collections.abc import AsyncIterator

import pytest
from hypothesis import settings

from tests.databases import Database, fresh_database, migrated_template
from tests.servers import Servers, running_servers, vhost_on
from tests.tap.reading import Tap, tapped

pytest_plugins = ("tests.tap.plugin", "pytester")

# A machine that is busy is no failure.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.fixture(scope="session")
async def servers() -> AsyncIterator[Servers]:
    async with running_servers(os.environ) as running:
        yield running


@pytest.fixture(scope="session")
async def database_template(servers: Servers) -> AsyncIterator[str]:
    async with migrated_template(servers) as name:
        yield name


@pytest.fixture
async def database(servers: Servers, database_template: str) -> AsyncIterator[Database]:
    """A fresh database with all migrations, for one test."""
    async with fresh_database(servers, database_template) as fresh:
        yield fresh


@pytest.fixture(scope="module")
async def module_database(servers: Servers, database_template: str) -> AsyncIterator[Database]:
    """A fresh database with all migrations, for the tests of one module."""
    async with fresh_database(servers, database_template) as fresh:
        yield fresh


@pytest.fixture(scope="module")
async def tap(servers: Servers) -> AsyncIterator[Tap]:
    """A fresh, empty vhost, for the tests of one module. At the end, all that was published there must be as the
    contracts say; a test that publishes something else on purpose is marked `foreign_messages`, with the reason.
    """
    async with (
        vhost_on(servers, f"test-{secrets.token_hex(6)}") as url,
        tapped(url, servers.broker_api_url) as tap,
    ):
        yield tap


@pytest.fixture(scope="module")
async def vhost(tap: Tap) -> str:
    """The administrator's AMQP URL of the module's vhost."""
    return tap.url

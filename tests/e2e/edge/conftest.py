"""The real Caddy with our file before a real ingress."""

import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from deploy.local.ports import LOOPBACK, reserve_ports
from deploy.local.process import Child, Command
from deploy.paths import ROOT
from tests.harness.ingress import IngressProcess, run_ingress
from tests.harness.ingress_queues import open_queues
from tests.harness.processes import run_child
from tests.harness.service_login import service_login
from tests.own_ca import OwnCa, create_own_ca
from tests.servers import Servers

collect_ignore_glob = [] if os.environ.get("KREISFUNK_TEST_EDGE") == "1" else ["test_*.py"]

CADDYFILE = ROOT / "deploy" / "edge" / "Caddyfile"
CADDY = os.environ.get("KREISFUNK_TEST_CADDY", "/usr/bin/caddy")


@dataclass(frozen=True, kw_only=True)
class Edge:
    """Caddy at `url`, with TLS, and at `plain_url` without; `session` trusts its certificate."""

    url: str
    plain_url: str
    ca: OwnCa
    session: aiohttp.ClientSession
    log: Path


@pytest.fixture(scope="module")
async def ingress(
    servers: Servers, vhost: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[IngressProcess]:
    log = tmp_path_factory.mktemp("ingress") / "ingress.log"
    async with (
        open_queues(vhost),
        service_login(servers, vhost, "ingress") as broker_url,
        run_ingress(broker_url, log) as running,
    ):
        yield running


@pytest.fixture(scope="module")
async def edge(ingress: IngressProcess, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Edge]:
    folder = tmp_path_factory.mktemp("edge")
    ca = create_own_ca(folder)
    context = ssl.create_default_context(cafile=str(ca.authority))
    connector = aiohttp.TCPConnector(ssl=context)
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        run_caddy(folder, ca, ingress.url, session) as running,
    ):
        yield running


@asynccontextmanager
async def run_caddy(
    folder: Path,
    ca: OwnCa,
    ingress_url: str,
    session: aiohttp.ClientSession,
    *,
    host: str = LOOPBACK,
    file: Path = CADDYFILE,
) -> AsyncIterator[Edge]:
    """Caddy before the ingress, with our file or one that imports it."""
    with reserve_ports(2) as (port, http_port):
        edge = Edge(
            url=f"https://{host}:{port}",
            plain_url=f"http://{LOOPBACK}:{http_port}",
            ca=ca,
            session=session,
            log=folder / "caddy.log",
        )
        environment = {
            "HOME": str(folder),
            "KREISFUNK_EDGE_HOST": edge.url,
            "KREISFUNK_EDGE_HTTP_PORT": str(http_port),
            "KREISFUNK_EDGE_TLS": f"{ca.server} {ca.server}",
            "KREISFUNK_EDGE_INGRESS": urlsplit(ingress_url).netloc,
        }
        arguments = (CADDY, "run", "--adapter", "caddyfile", "--config", str(file))
        child = Child(Command(name="caddy", arguments=arguments, log=edge.log, environment=environment))
        async with run_child(child, lambda: _is_listening(edge)):
            yield edge


async def _is_listening(edge: Edge) -> bool:
    try:
        async with edge.session.get(edge.url) as answer:
            return answer.status == 404
    except aiohttp.ClientConnectorError:
        return False

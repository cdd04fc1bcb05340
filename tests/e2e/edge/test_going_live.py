"""Going live by the operators' guide: Meta at a name of its own by https, Caddy before the webhook, a first notice."""

import asyncio
import re
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from deploy.local.environments import PHONE_NUMBER_ID
from deploy.local.ports import reserve_ports
from deploy.local.services import Service
from deploy.local.stack import Stack, run_stack
from deploy.paths import ROOT
from deploy.stack_file import BUSINESS_ACCOUNT_ID
from simulator.client import open_simulator_client
from tests.e2e.edge.conftest import CADDYFILE, Edge, run_caddy
from tests.own_ca import OwnCa, create_own_ca
from tests.servers import fetch_until, wait_for
from tools.docs.generate import OPERATORS

GUIDE = OPERATORS.read_text()
# A name that is none of the simulator's, for which every machine has an address of its own.
HOST = socket.gethostname()
TOKEN, APP_SECRET = "token-of-a-system-user", "secret-of-our-app-at-meta"
META = """
import {caddyfile}

{url} {{
	tls {{$KREISFUNK_EDGE_TLS}}
	reverse_proxy {simulator}
}}
"""
DOCKER = """#!/bin/sh
# compose run --rm … SERVICE …: every such service is a command of its own name. A file is mounted by its whole path.
shift 2
while case $1 in -v) shift; case $1 in /*) shift ;; *) exit 125 ;; esac ;; -*) shift ;; *) false ;; esac; do :; done
exec {python} -m cli.main "$@"
"""
SERVICE = re.compile(r"docker compose run --rm (?:-T |-v \S+ )?(\w+)")
UNATTENDED = re.compile(r"^Without a terminal:.+\n\n((?:    .+\n)+)", re.MULTILINE)
PICTURE = re.compile(r"`(docker compose run .+ --picture) (\S+)`")
PUBLISH = re.compile(r"^    (docker compose run --rm publish .+)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class NewInstallation:
    """A stack with the secrets of its first start, none of which Meta knows; `folder` is its owner's."""

    stack: Stack
    edge: Edge
    folder: Path
    environments: Mapping[str, Mapping[str, str]]

    async def run(self, command: str) -> tuple[int, str]:
        """A command of the guide, as a shell runs it: the status, and all it said."""
        if command.startswith("docker compose restart "):
            for service in command.split()[3:]:
                await self.stack.supervisor.stop_one(f"{service}-1")
                await self.stack.supervisor.start_one(f"{service}-1")
            return 0, ""
        (service,) = SERVICE.findall(command)
        shell = {"PATH": f"{self.folder}:/usr/bin:/bin", "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
        process = await asyncio.create_subprocess_exec(
            *("sh", "-euc", command),
            cwd=self.folder,
            env={**self.environments[service], **shell},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, said.decode()


@asynccontextmanager
async def install(folder: Path, ca: OwnCa) -> AsyncIterator[NewInstallation]:
    trusting = {"SSL_CERT_FILE": str(ca.authority)}
    context = ssl.create_default_context(cafile=str(ca.authority))
    with reserve_ports(1) as (port,):
        meta_url = f"https://{HOST}:{port}"
        at_meta = {"SIMULATOR_GRAPH_TOKEN": TOKEN, "SIMULATOR_APP_SECRET": APP_SECRET, "SIMULATOR_PHONES": "1"}
        settings = {
            "simulator": {**trusting, **at_meta, "SIMULATOR_NEW_ACCOUNT": "true"},
            "dispatcher": {**trusting, "KREISFUNK_GRAPH_URL": meta_url},
        }
        async with (
            run_stack(folder / "stack", dispatchers=1, settings=settings) as stack,
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context)) as session,
        ):
            file = folder / "Caddyfile"
            file.write_text(META.format(caddyfile=CADDYFILE, url=meta_url, simulator=stack.simulator_url))
            async with run_caddy(folder, ca, stack.ingress_url, session, host=HOST, file=file) as edge:
                dispatcher = stack.supervisor.find("dispatcher-1")
                assert isinstance(dispatcher, Service)
                account = {"KREISFUNK_WABA_ID": BUSINESS_ACCOUNT_ID}
                setup = {
                    **trusting,
                    **account,
                    "KREISFUNK_GRAPH_URL": meta_url,
                    "KREISFUNK_PHONE_NUMBER_ID": PHONE_NUMBER_ID,
                    "KREISFUNK_SECRETS_DIR": str(stack.folder / "secrets"),
                }
                doctor = {**dispatcher.command.environment, **account}
                environments = {"setup": setup, "doctor": doctor, "publish": stack.publisher}
                yield NewInstallation(stack=stack, edge=edge, folder=folder, environments=environments)


@pytest.mark.timeout(300)
async def test_the_guides_commands_lead_from_fresh_secrets_to_a_notice_on_a_phone(folder: Path) -> None:
    """With a token and an app secret in two files and a picture; nothing else is known of Meta."""
    ca = create_own_ca(folder, HOST)
    (folder / "docker").write_text(DOCKER.format(python=sys.executable))
    (folder / "docker").chmod(0o755)
    (folder / "token.txt").write_text(f"{TOKEN}\n")
    (folder / "app-secret.txt").write_text(f"{APP_SECRET}\n")
    (folder / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    async with install(folder, ca) as new:
        (commands,) = UNATTENDED.findall(GUIDE)
        for command in commands.replace("https://whatsapp.kreis.example", new.edge.url).splitlines():
            _, said = await new.run(command.strip())
            assert "Traceback" not in said
        ((picture, _),) = PICTURE.findall(GUIDE)
        _, said = await new.run(f"{picture} picture.png --yes")
        assert " 0 problems" in said, said

        async def is_set_up() -> bool:
            status, _ = await new.run("docker compose run --rm setup --check")
            return status == 0

        await wait_for(is_set_up)
        status, said = await new.run("docker compose run --rm doctor")
        assert (status, " 0 problems" in said) == (0, True), said

        async with open_simulator_client(new.stack.simulator_url, new.stack.control_token) as meta:

            async def wait_for_message(words: str) -> None:
                await fetch_until(meta.fetch_outbound, lambda found: any(words in message.text for message in found))

            (citizen,) = await meta.list_citizens()
            status, said = await new.run(f"docker compose run --rm setup --yes --test-to +{citizen['phone']}")
            assert (status, len(await meta.fetch_outbound())) == (0, 1), said
            await meta.send_text([citizen["id"]], "Start", per_second=10)
            await wait_for_message("Stop")
            (publish,) = PUBLISH.findall(GUIDE)
            status, said = await new.run(publish)
            assert status == 0, said
            await wait_for_message("Bis Freitag.")

"""One project of `docker compose`, beside whatever else runs on the machine."""

import asyncio
import json
import os
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulator.client import SimulatorClient, open_simulator_client

ROOT = Path(__file__).parents[3]
ANY_PORT = ("INGRESS", "NOTICES_API", "NEWSROOM", "ARCHIVE", "SIMULATOR", "PROMETHEUS", "GRAFANA")


class EngineError(Exception):
    """A command of the container engine failed; the text is what it said."""


async def run_docker(*arguments: str, environment: Mapping[str, str] | None = None, root: Path = ROOT) -> str:
    """Return what the command prints; `root` is the checkout that it runs in."""
    process = await asyncio.create_subprocess_exec(
        "docker",
        *arguments,
        cwd=root,
        env={**os.environ, **(environment or {})},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    printed, said = await process.communicate()
    if process.returncode != 0:
        raise EngineError(f"docker {' '.join(arguments[:6])} …: {said.decode()[-3000:]}{printed.decode()[-1000:]}")
    return printed.decode()


@dataclass(frozen=True)
class ComposeProject:
    """All profiles are in sight; what is not named in `up` does not start for that. `settings` are what .env says."""

    project: str
    settings: Mapping[str, str]
    root: Path = ROOT

    @property
    def image(self) -> str:
        return f"kreisfunk:{self.project}"

    async def run(self, *arguments: str) -> str:
        ports = {f"KREISFUNK_{name}_PORT": "" for name in ANY_PORT}
        environment = {**ports, **self.settings, "KREISFUNK_IMAGE": self.image}
        return await run_docker("compose", "-p", self.project, *arguments, environment=environment, root=self.root)

    async def execute(self, service: str, *command: str) -> str:
        """In a running container of that service."""
        return (await self.run("exec", "-T", service, *command)).strip()

    async def find_url(self, service: str, port: int) -> str:
        """Return where a published port is reached."""
        return f"http://{(await self.run('--profile', 'monitoring', 'port', service, str(port))).strip()}"

    @asynccontextmanager
    async def open_simulator(self) -> AsyncIterator[SimulatorClient]:
        token = await self.execute("simulator", "cat", "/secrets/simulator/simulator_control_token")
        async with open_simulator_client(await self.find_url("simulator", 8090), token) as simulator:
            yield simulator

    async def read_configuration(self, *options: str) -> dict[str, Any]:
        """The file as the engine understands it."""
        read: dict[str, Any] = json.loads(await self.run(*options, "--profile", "*", "config", "--format", "json"))
        return read

    async def read_environments(self, env_file: Path) -> dict[str, dict[str, str]]:
        """Return what each service is given with that file in the place of .env."""
        services = (await self.read_configuration("--env-file", str(env_file)))["services"]
        return {name: service.get("environment", {}) for name, service in services.items()}

    async def list_containers(self) -> list[dict[str, Any]]:
        """All that runs, as the engine describes it."""
        ids = (await self.run("ps", "-q")).split()
        described: list[dict[str, Any]] = json.loads(await run_docker("inspect", *ids))
        return described

    async def publish(self, headline: str) -> str:
        text = "Die Umleitung ist ausgeschildert."
        command = ("--topic", "strassensperrungen", "--headline", headline, "--text", text)
        return await self.run("run", "--rm", "publish", *command)

    async def count(self, statement: str, server: str = "postgres") -> int:
        """One number from the database, over the server's own socket."""
        login = ("-U", "kreisfunk_owner", "-d", "kreisfunk")
        return int(await self.execute(server, "psql", *login, "-Atc", statement))


@asynccontextmanager
async def use_project(name: str, settings: Mapping[str, str], root: Path = ROOT) -> AsyncIterator[ComposeProject]:
    """Nothing of it is left at the end."""
    compose = ComposeProject(f"kreisfunk-{name}-{secrets.token_hex(4)}", settings, root)
    try:
        yield compose
    finally:
        await compose.run("--profile", "*", "down", "--volumes", "--rmi", "local", "--timeout", "30")
        await run_docker("image", "rm", "--force", compose.image, f"{compose.image}-simulator")

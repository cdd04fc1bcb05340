"""Our processes in a local stack: replicas, commands, ports, logs and readiness probes."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import aiohttp

from deploy.local import environments
from deploy.local.environments import StackEnvironment
from deploy.local.ports import LOOPBACK
from deploy.local.process import Child, Command, wait_until_ready
from deploy.paths import ROOT
from deploy.stack_file import Environment

READY_TIMEOUT_SECONDS = 60
STOP_TIMEOUT_SECONDS = 25  # longer than a service's own drain deadline
Settings = Mapping[str, Mapping[str, str]]
MODULES = {"notices": "services.ingress.notices"}
# Number of ports on which a process of each kind listens, besides that of its probes.
LISTENING = {"ingress": 1, "notices": 1, "subscriptions": 0, "dispatcher": 0, "newsroom": 2}


class Service(Child):
    """A process whose `ready_url` answers 200 once it is ready."""

    def __init__(self, command: Command, ready_url: str) -> None:
        super().__init__(command)
        self.ready_url = ready_url

    async def launch(self) -> None:
        """Start the process without waiting until it is ready."""
        await super().start()

    async def start(self) -> None:
        await self.launch()
        await wait_until_ready(self, self.is_ready, seconds=READY_TIMEOUT_SECONDS)

    async def stop(self, seconds: float = STOP_TIMEOUT_SECONDS) -> None:
        await super().stop(seconds)

    async def is_ready(self) -> bool:
        timeout = aiohttp.ClientTimeout(total=3)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(self.ready_url) as answer,
            ):
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Ports of the processes; `internal` has the port of probes by process name, `notices` those of the notices API."""

    simulator: int
    ingresses: list[int]
    notices: list[int]
    newsrooms: list[int]
    archives: list[int]
    internal: dict[str, int]

    @property
    def metrics_urls(self) -> dict[str, str]:
        return {name: f"http://{LOOPBACK}:{port}/metrics" for name, port in self.internal.items()}


def count_ports(replicas: Mapping[str, int]) -> int:
    """Return the number of ports needed: the simulator's, and those of each replica of each kind."""
    return 1 + sum(count * (1 + LISTENING[kind]) for kind, count in replicas.items())


def assign_ports(replicas: Mapping[str, int], free: list[int]) -> Ports:
    names = [f"{kind}-{number}" for kind, count in replicas.items() for number in range(1, count + 1)]
    remaining = iter(free)
    return Ports(
        simulator=next(remaining),
        ingresses=list(islice(remaining, replicas["ingress"])),
        notices=list(islice(remaining, replicas["notices"])),
        newsrooms=list(islice(remaining, replicas["newsroom"])),
        archives=list(islice(remaining, replicas["newsroom"])),
        internal=dict(zip(names, remaining, strict=True)),
    )


def build_services(stack: StackEnvironment, ports: Ports, logs: Path, settings: Settings) -> Iterator[Service]:
    """Yield the services; `settings` are added to the environment of each process of a kind, such as "dispatcher"."""
    listening = {"ingress": iter(ports.ingresses), "notices": iter(ports.notices)}
    for name, internal_port in ports.internal.items():
        kind = name.rpartition("-")[0]
        listen_port = next(listening[kind]) if kind in listening else 0
        environment = environments.build_process_environment(
            kind, stack.get_view(name), internal_port=internal_port, listen_port=listen_port
        )
        command = build_python_command(
            name,
            MODULES.get(kind, f"services.{kind}"),
            environment={**environment, **settings.get(kind, {})},
            logs=logs,
        )
        yield Service(command, f"http://{LOOPBACK}:{internal_port}/readyz")


def build_simulator(stack: StackEnvironment, logs: Path, settings: Settings) -> Service:
    environment = {
        **environments.build_simulator_environment(stack.get_view("simulator")),
        **settings.get("simulator", {}),
    }
    command = build_python_command("simulator", "simulator", environment=environment, logs=logs)
    return Service(command, f"{stack.simulator_url}/readyz")


def build_migration_command(stack: StackEnvironment, logs: Path) -> Command:
    return build_python_command(
        "migrate", "cli.main", "migrate", environment=environments.build_migrate_environment(stack), logs=logs
    )


def build_python_command(name: str, module: str, *arguments: str, environment: Environment, logs: Path) -> Command:
    return Command(
        name=name,
        arguments=(sys.executable, "-m", module, *arguments),
        log=logs / f"{name}.log",
        environment=environment,
        folder=ROOT,
    )

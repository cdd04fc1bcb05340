"""An operator who follows a runbook word by word, in front of a local stack in place of `docker compose`."""

import asyncio
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from deploy.local.postgres import find_wheel_programs
from deploy.paths import ROOT
from shared.runtime.settings import PREFIX
from tests.e2e.monitoring.monitored_system import MonitoredSystem
from tests.harness.commands import run_in_process, run_on_terminal
from tests.prometheus import ALERTS
from tests.runbook_pages import read_commands

COMPOSE = msgspec.yaml.decode((ROOT / "docker-compose.yml").read_bytes())["services"]
ASKS = ("cancel", "drop", "resend")


@dataclass(frozen=True)
class NightOperator:
    """Runs what a page says, which must succeed; `names` stand for the words in capitals."""

    system: MonitoredSystem

    async def look(self, alert: str, **names: str) -> str:
        """Everything under "Look"; what it prints."""
        return await self._follow(read_commands(alert, "Look"), names)

    async def do(self, alert: str, step: int = 0, **names: str) -> str:
        """One step under "Do", which must have a command; what it prints."""
        commands = read_commands(alert, "Do", step)
        assert commands, f"step {step} of {alert} has no command"
        return await self._follow(commands, names)

    async def _follow(self, commands: Sequence[str], names: dict[str, str]) -> str:
        return "\n".join([await self._run(shlex.split(_fill_in(command, names))) for command in commands])

    async def _run(self, words: list[str]) -> str:
        if words[0] == "df":
            return await run_program(*words)
        assert words[:2] == ["docker", "compose"]
        words = words[2:]
        profile = words[1] if words[0] == "--profile" else ""
        verb, *words = words[2:] if profile else words
        options = list(_take_options(words))
        match verb:
            case "run":
                assert "--rm" in options
                return await self._run_command(words[0], words[1:])
            case "exec":
                return await self._run_inside(words[0], words[1:])
            case "logs" | "ps":
                return "\n".join(map(self._read_log if verb == "logs" else self._describe, _check_services(words)))
            case "up":
                assert "--wait" in options
                await self._start_again(_check_services(words), profile)
            case "restart":
                await self._restart(_check_services(words))
            case _:
                raise AssertionError(f"docker compose {verb} is not known here")
        return ""

    async def _run_command(self, service: str, arguments: list[str]) -> str:
        """The entrypoint of the compose file, without addresses of containers."""
        program, *given = COMPOSE[service].get("entrypoint") or arguments[:1]
        assert program == "kreisfunk"
        ours = [word for word in given if "=" not in word] + (arguments if "entrypoint" in COMPOSE[service] else [])
        folder = str(self.system.stack.folder)
        ours = [word.replace("/backups", folder) for word in ours] + ["--stack", folder]
        asks = any(word in ours for word in ASKS) and "--yes" not in ours
        ended = await (
            run_on_terminal(*ours, typed="y", environment={}) if asks else run_in_process(*ours, environment={})
        )
        assert ended.status == 0 or service in ("doctor", "setup"), ended.everything  # 1 if anything is open
        return ended.everything

    async def _run_inside(self, service: str, words: list[str]) -> str:
        stack = self.system.stack
        match service, words[0]:
            case "rabbitmq", "rabbitmqctl":
                return await stack.servers.rabbitmq.run_rabbitmqctl(*(word for word in words[1:] if word != "-q"))
            case "postgres", "psql":
                psql = find_wheel_programs() / "bin" / "psql"
                assert words[1:5] == ["-U", "kreisfunk_owner", "-d", "kreisfunk"]
                return await run_program(str(psql), "-X", "-d", stack.database_url, *words[5:])
            case "feeds", "kreisfunk":
                settings = self.system.feeds.command.environment
                ours = {name: value for name, value in settings.items() if name.startswith(PREFIX)}
                ended = await run_in_process(*words[1:], environment=ours)
                assert ended.status == 0, ended.everything
                return ended.everything
            case _, "python":
                [name, *_] = self._list_processes(service)
                asked = words[2].replace("http://127.0.0.1:9090/metrics", stack.metrics_urls[name])
                assert asked != words[2]
                return await run_program(sys.executable, "-c", asked)
            case _:
                raise AssertionError(f"{service} has no {words[0]} here")

    def _list_processes(self, service: str) -> list[str]:
        names = {name for name in self.system.stack.metrics_urls if name.rpartition("-")[0] == service}
        return sorted(names) or [service]

    def _read_log(self, service: str) -> str:
        folder = self.system.stack.folder / "logs"
        named = {"feeds": [self.system.feeds.command.log], "postgres": [], "rabbitmq": []}
        files = named.get(service, [folder / f"{name}.log" for name in self._list_processes(service)])
        return "\n".join(file.read_text() for file in files)

    def _describe(self, service: str) -> str:
        if service == "feeds":
            return f"feeds {self.system.feeds.pid}"
        found = [self.system.stack.supervisor.find(name) for name in self._list_processes(service)]
        return "\n".join(f"{one.name} {one.pid}" for one in found)

    async def _start_again(self, services: Sequence[str], profile: str) -> None:
        """What does not run; and feeds with their file, which is in the image."""
        supervisor = self.system.stack.supervisor
        if profile == "feeds":
            await self.system.restart_feeds()
        for name in supervisor.restarts:
            wanted = not services or any(name in self._list_processes(service) for service in services)
            if wanted and supervisor.find(name).pid is None:
                await supervisor.start_one(name)

    async def _restart(self, services: Sequence[str]) -> None:
        for service in services:
            for name in self._list_processes(service):
                await self.system.stack.supervisor.stop_one(name)
                await self.system.stack.supervisor.start_one(name)


def _fill_in(command: str, names: dict[str, str]) -> str:
    for name, value in names.items():
        command = re.sub(rf"\b{name}\b", value, command)
    return command


def _take_options(words: list[str]) -> Iterator[str]:
    """Take them from the front; of those that we use only `--since` has a value."""
    while words and words[0].startswith("-"):
        option = words.pop(0)
        if option == "--since":
            words.pop(0)
        yield option


def _check_services(words: list[str]) -> list[str]:
    assert set(words) <= set(COMPOSE), f"{words}: not all of them are services"
    return words


async def run_program(*arguments: str, given: bytes = b"") -> str:
    """All it says; it must succeed."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *arguments, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.STDOUT, cwd=ALERTS.parent
    )
    said, _ = await process.communicate(given)
    assert process.returncode == 0, said.decode()
    return said.decode()

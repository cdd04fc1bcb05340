"""A real Prometheus: its programs, a server that watches a system, and its client."""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from deploy.local.ports import LOOPBACK, reserve_ports
from deploy.local.process import Child, Command, hold_install_lock
from deploy.paths import ROOT
from tests.harness.processes import run_child

FOLDER = ROOT / "deploy" / "prometheus"
ALERTS = FOLDER / "alerts.yml"
# A process waits up to two seconds for unavailable servers before it returns its metrics.
SCRAPE_INTERVAL, EVALUATION_INTERVAL = "3s", "1s"
# Debian's packages are unpacked, not installed: nothing starts by itself, and only outdated lists need root.
UNPACKED = ROOT / ".local" / "prometheus"
FETCH = """
    apt-get -qq download prometheus promtool || { apt-get -qq update && apt-get -qq download prometheus promtool; }
    for package in *.deb; do dpkg-deb -x "$package" . && rm "$package"; done
"""


@dataclass(frozen=True)
class PrometheusPrograms:
    server: Path
    promtool: Path


@dataclass(frozen=True)
class PrometheusClient:
    """A running server."""

    session: aiohttp.ClientSession
    url: str

    async def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the series of an instant query."""
        async with self.session.get(f"{self.url}/api/v1/query", params={"query": expression}) as response:
            answer = await response.json()
        assert answer["status"] == "success", answer.get("error")
        series: list[dict[str, Any]] = answer["data"]["result"]
        return series

    async def query_number(self, expression: str) -> int:
        """Return the first value of a query; 0 if there is none."""
        series = await self.query(expression)
        return int(float(series[0]["value"][1])) if series else 0

    async def is_ready(self) -> bool:
        try:
            async with self.session.get(f"{self.url}/-/ready") as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False


async def ensure_prometheus() -> PrometheusPrograms:
    """Return the programs in PATH, else Debian's, which are unpacked first."""
    async with hold_install_lock():
        programs = _find_programs()
        if programs is None:
            UNPACKED.mkdir(parents=True, exist_ok=True)
            process = await asyncio.create_subprocess_exec("sh", "-euc", FETCH, cwd=UNPACKED)
            assert await process.wait() == 0, "install Prometheus (Debian: apt-get install prometheus) and try again"
            programs = _find_programs()
    assert programs is not None
    return programs


def _find_programs() -> PrometheusPrograms | None:
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), str(UNPACKED / "usr/bin")))
    server, promtool = shutil.which("prometheus", path=path), shutil.which("promtool", path=path)
    return PrometheusPrograms(Path(server), Path(promtool)) if server and promtool else None


def _write_configuration(folder: Path, targets: Mapping[str, Sequence[str]], rules: Mapping[str, Any]) -> Path:
    """Write the jobs of our own file with these targets by job and short intervals."""
    ours = msgspec.yaml.decode((FOLDER / "prometheus.yml").read_bytes())
    jobs = [
        {name: value for name, value in job.items() if not name.endswith("_configs")}
        | {"static_configs": [{"targets": list(targets.get(job["job_name"], ()))}]}
        for job in ours["scrape_configs"]
    ]
    intervals = {
        "scrape_interval": SCRAPE_INTERVAL,
        "scrape_timeout": SCRAPE_INTERVAL,
        "evaluation_interval": EVALUATION_INTERVAL,
    }
    folder.mkdir()
    (folder / "alerts.yml").write_text(json.dumps(rules))
    file = folder / "prometheus.yml"
    file.write_text(json.dumps({"global": intervals, "rule_files": ["alerts.yml"], "scrape_configs": jobs}))
    return file


@asynccontextmanager
async def run_prometheus(
    folder: Path, targets: Mapping[str, Sequence[str]], rules: Mapping[str, Any]
) -> AsyncIterator[PrometheusClient]:
    """Run a server with these rules; `targets` are `host:port` by job."""
    programs = await ensure_prometheus()
    file = _write_configuration(folder, targets, rules)
    async with aiohttp.ClientSession() as session:
        with reserve_ports(1) as [port]:
            arguments = (
                f"--config.file={file}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address={LOOPBACK}:{port}",
                "--web.console.templates=",
                "--web.console.libraries=",
            )
            command = Command(
                name="prometheus",
                arguments=(str(programs.server), *arguments),
                log=folder / "prometheus.log",
                environment=os.environ,
            )
            client = PrometheusClient(session, f"http://{LOOPBACK}:{port}")
            async with run_child(Child(command), client.is_ready):
                yield client

"""A Prometheus in a hurry: our rules with windows of seconds and little patience, and the alerts that fire."""

import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from tests.prometheus import ALERTS, PrometheusClient, run_prometheus
from tests.servers import wait_for, wait_until_equal

GROUPS = msgspec.yaml.decode(ALERTS.read_bytes())["groups"]
ALERT_NAMES = tuple(rule["alert"] for group in GROUPS for rule in group["rules"] if "alert" in rule)
WINDOW, PATIENCE = "10s", "1s"
# What has been there is missed for as long as it is away, as in the rule itself.
WINDOWS = re.compile(r'(?<!\{job="feeds"\})\[\d+[smhd]\]')
# A process is young for as long as the window beside it.
YOUNG = re.compile(r"(?<=process_start_time_seconds < )\d+")
# Ages at which something is late. Feeds are read, and old rows deleted, once a minute; a busy machine takes its time.
SOONER = {"60": "8", "3600": "70", "7200": "90"}


def hurry(rule: dict[str, Any]) -> dict[str, Any]:
    shorter = YOUNG.sub(WINDOW.removesuffix("s"), WINDOWS.sub(f"[{WINDOW}]", rule["expr"]))
    sooner = re.sub(r"(?<=> )(\d+)\b", lambda found: SOONER.get(found[0], found[0]), shorter)
    return {**rule, "expr": sooner, **({"for": PATIENCE} if "for" in rule else {})}


@dataclass
class HurriedWatch:
    """`quiet_at` is when a wait for an end was over: on a slow machine an alert may have ended when we look."""

    prometheus: PrometheusClient
    quiet_at: float = field(default_factory=time.monotonic)

    async def wait_for(self, *alerts: str, seconds: float = 120) -> None:
        """Until each of them has fired since then."""

        async def fired() -> bool:
            age = int(time.monotonic() - self.quiet_at) + 1
            return set(alerts) <= await self._list_alerts(f'count_over_time(ALERTS{{alertstate="firing"}}[{age}s])')

        await self._wait(fired, seconds)

    async def wait_for_end(self, *alerts: str, seconds: float = 120) -> None:
        """Until none of them fires."""

        async def ended() -> bool:
            return not set(alerts) & await self.list_firing()

        await self._wait(ended, seconds)
        self.quiet_at = time.monotonic()

    async def _wait(self, condition: Callable[[], Awaitable[bool]], seconds: float) -> None:
        try:
            await wait_for(condition, seconds)
        except TimeoutError as late:
            late.add_note(f"firing: {sorted(await self.list_firing())}")
            raise

    async def list_firing(self) -> set[str]:
        return await self._list_alerts('ALERTS{alertstate="firing"}')

    async def _list_alerts(self, expression: str) -> set[str]:
        return {each["metric"]["alertname"] for each in await self.prometheus.query(expression)}


@asynccontextmanager
async def run_hurried_watch(folder: Path, targets: Mapping[str, Sequence[str]]) -> AsyncIterator[HurriedWatch]:
    """Once it has seen all of them: what happens before a counter was seen is no increase."""
    rules = {"groups": [{**group, "rules": [hurry(rule) for rule in group["rules"]]} for group in GROUPS]}
    async with run_prometheus(folder, targets, rules) as prometheus:
        await wait_until_equal(lambda: prometheus.query_number("count(up == 1)"), sum(map(len, targets.values())))
        yield HurriedWatch(prometheus)

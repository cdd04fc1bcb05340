"""Internal port: `/livez`, `/readyz`, `/metrics`."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CollectorRegistry, Gauge, ProcessCollector
from prometheus_client.aiohttp import make_aiohttp_handler

from shared.runtime.settings import ServiceSettings

Check = Callable[[], Awaitable[bool]]
CHECK_TIMEOUT_SECONDS = 2.0


class Readiness:
    """Readiness checks of this process; while `draining`, it is not ready."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = dict(checks)
        self.draining = False
        self._gauge: Gauge | None = None

    def add(self, checks: Mapping[str, Check]) -> None:
        """Add checks; one with the name of an earlier check replaces it."""
        self._checks.update(checks)

    def register_in(self, registry: CollectorRegistry) -> None:
        """Export the last result of each check as a metric."""
        self._gauge = Gauge("kreisfunk_ready", "1 while this readiness check passes", ["check"], registry=registry)

    async def list_failures(self) -> list[str]:
        """Run the checks and return the names of those that failed; empty means ready."""
        checks = dict(self._checks)  # checks may be added meanwhile
        results = await asyncio.gather(*map(_run_check, checks.values()))
        if self._gauge:
            for name, passed in zip(checks, results, strict=True):
                self._gauge.labels(name).set(passed)
        failed = [name for name, passed in zip(checks, results, strict=True) if not passed]
        return ["draining", *failed] if self.draining else failed


async def _run_check(check: Check) -> bool:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_SECONDS):
            return await check()
    except Exception:  # whatever a dependency raises, it is not ready
        return False


@asynccontextmanager
async def open_internal_port(
    settings: ServiceSettings, registry: CollectorRegistry, readiness: Readiness
) -> AsyncIterator[None]:
    """Serve the probes and metrics. Open this port first, so that metrics stay available during the drain."""
    readiness.register_in(registry)
    ProcessCollector(registry=registry)
    export_metrics = make_aiohttp_handler(registry)

    async def answer_livez(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def answer_readyz(_: web.Request) -> web.Response:
        failures = await readiness.list_failures()
        text = f"not ready: {', '.join(failures)}\n" if failures else "ready\n"
        return web.Response(text=text, status=503 if failures else 200)

    async def answer_metrics(request: web.Request) -> web.StreamResponse:
        await readiness.list_failures()
        return await export_metrics(request)

    app = web.Application()
    app.add_routes(
        [web.get("/livez", answer_livez), web.get("/readyz", answer_readyz), web.get("/metrics", answer_metrics)]
    )
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=75, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, settings.internal_host, settings.internal_port).start()
    try:
        yield
    finally:
        await runner.cleanup()

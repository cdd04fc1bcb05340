"""Additional dispatcher with a wrong encryption key, as after a key rotation that missed a machine."""

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from deploy.local.ports import LOOPBACK, reserve_ports
from deploy.local.services import Service
from deploy.local.supervisor import Supervisor
from deploy.secrets import generate_key_ring

NAME = "dispatcher-with-a-wrong-key"
POLL_INTERVAL_SECONDS = 0.5
STOP_TIMEOUT_SECONDS = 5.0


async def run_wrong_key_replica(supervisor: Supervisor, like: str, seconds: float) -> bool:
    """Run it for `seconds` beside the replica `like`; return whether it ever reported ready."""
    with _prepare_replica(supervisor, like) as stray:
        await stray.launch()
        was_ready = False
        try:
            async with asyncio.timeout(seconds):
                while True:
                    was_ready |= await stray.is_ready()
                    await asyncio.sleep(POLL_INTERVAL_SECONDS)
        except TimeoutError:
            return was_ready
        finally:
            await stray.stop(STOP_TIMEOUT_SECONDS)


@contextmanager
def _prepare_replica(supervisor: Supervisor, like: str) -> Iterator[Service]:
    original = supervisor.find(like)
    assert isinstance(original, Service)
    with reserve_ports(1) as (port,):
        environment = {
            **original.command.environment,
            "KREISFUNK_ENCRYPTION_KEYS": generate_key_ring(secrets.token_bytes),
            "KREISFUNK_INTERNAL_PORT": str(port),
        }
        log = original.command.log.with_name(f"{NAME}.log")
        command = replace(original.command, name=NAME, environment=environment, log=log)
        yield Service(command, f"http://{LOOPBACK}:{port}/readyz")

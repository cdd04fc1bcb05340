"""What may be done by one process at a time on this machine: installing, and creating a user."""

import asyncio
import fcntl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

LOCK = Path(__file__).parents[2] / ".local" / "install.lock"


@asynccontextmanager
async def hold_install_lock() -> AsyncIterator[None]:
    """Wait for our turn; the kernel ends it when we die."""
    LOCK.parent.mkdir(parents=True, exist_ok=True)
    with LOCK.open("a") as file:
        await asyncio.to_thread(fcntl.flock, file, fcntl.LOCK_EX)
        yield

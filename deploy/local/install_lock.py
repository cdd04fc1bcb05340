"""A machine-wide lock for installing packages and creating a user."""

import asyncio
import fcntl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

LOCK = Path(__file__).parents[2] / ".local" / "install.lock"


@asynccontextmanager
async def hold_install_lock() -> AsyncIterator[None]:
    """Wait for the lock and hold it; the kernel releases it if we die."""
    LOCK.parent.mkdir(parents=True, exist_ok=True)
    with LOCK.open("a") as file:
        await asyncio.to_thread(fcntl.flock, file, fcntl.LOCK_EX)
        yield

"""The unprivileged user that PostgreSQL requires if we are root, and a machine-wide lock for installations."""

import asyncio
import fcntl
import os
import pwd
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from deploy import LocalError

SystemUser = pwd.struct_passwd
SYSTEM_USER = "kreisfunk"
LOCK = Path(__file__).parents[2] / ".local" / "install.lock"


async def ensure_unprivileged_user() -> SystemUser | None:
    """Return the user, creating it if necessary; None if we are not root."""
    if os.geteuid() != 0:
        return None
    async with hold_install_lock():
        return _find() or await _create()


def _find() -> SystemUser | None:
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        return None


async def _create() -> SystemUser:
    arguments = ["--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent", SYSTEM_USER]
    process = await asyncio.create_subprocess_exec("useradd", *arguments, stderr=asyncio.subprocess.PIPE)
    _, error_output = await process.communicate()
    account = _find()  # exists even if useradd failed because another stack was faster
    if account is None:
        reason = error_output.decode().strip()
        raise LocalError(f"The user {SYSTEM_USER!r} for PostgreSQL could not be created: {reason}")
    return account


@asynccontextmanager
async def hold_install_lock() -> AsyncIterator[None]:
    """Wait for the lock and hold it; the kernel releases it if we die."""
    LOCK.parent.mkdir(parents=True, exist_ok=True)
    with LOCK.open("a") as file:
        await asyncio.to_thread(fcntl.flock, file, fcntl.LOCK_EX)
        yield

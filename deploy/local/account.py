"""The unprivileged user that PostgreSQL insists on when we are root."""

import asyncio
import os
import pwd
from dataclasses import dataclass

from deploy.local.errors import LocalError
from deploy.local.turns import one_at_a_time

NAME = "kreisfunk"


@dataclass(frozen=True, kw_only=True)
class Account:
    name: str
    uid: int
    gid: int


async def unprivileged_account() -> Account | None:
    """None when we are an ordinary user already."""
    if os.geteuid() != 0:
        return None
    async with one_at_a_time():
        return _find() or await _create()


def _find() -> Account | None:
    try:
        entry = pwd.getpwnam(NAME)
    except KeyError:
        return None
    return Account(name=NAME, uid=entry.pw_uid, gid=entry.pw_gid)


async def _create() -> Account:
    arguments = ["--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent", NAME]
    process = await asyncio.create_subprocess_exec("useradd", *arguments, stderr=asyncio.subprocess.PIPE)
    _, complaint = await process.communicate()
    account = _find()  # another stack may have been faster: then useradd fails and the user exists
    if account is None:
        reason = complaint.decode().strip()
        raise LocalError(f"The user {NAME!r} for PostgreSQL could not be created: {reason}")
    return account

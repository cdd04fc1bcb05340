"""A folder for temporary files in which PostgreSQL lives while the checkout is closed to its user.

The data comes back when the server has stopped. A stack that is killed in any of these steps loses nothing:
`MARKER` beside the data's usual place says that the refuge has the newer data, if it has any.
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
    return own if os.stat(own).st_mode & 0o001 else "/tmp"  # noqa: S108 (`open_data_dir` checks whose it is)


def copy_programs(programs: Path, target: Path) -> Path:
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


def move_in(data: Path, refuge: Path) -> None:
    """Without the marker, data in the refuge is of a folder that was removed since."""
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
    """`target` appears whole or not at all; `source` may remain, as another file system needs a copy."""
    try:
        source.rename(target)
    except OSError:
        draft = target.with_name(f"{target.name}.new")
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(source, draft, symlinks=True)
        draft.rename(target)

"""Python environments of the peers, created once in `.local`."""

import asyncio
import shutil
import sys
from pathlib import Path

LOCAL = Path(__file__).parents[1] / ".local"


async def prepare_python(name: str, requirements: Path) -> Path:
    """Return the interpreter of the environment `name`; recreates it if the requirements have changed."""
    folder = LOCAL / name
    python, mark = folder / "bin" / "python", folder / "requirements.txt"
    if not _is_current(mark, requirements):
        await _run(sys.executable, "-m", "venv", "--clear", str(folder))
        await _run(str(python), "-m", "pip", "install", "--quiet", "--requirement", str(requirements))
        shutil.copyfile(requirements, mark)
    return python


def _is_current(mark: Path, requirements: Path) -> bool:
    return mark.exists() and mark.read_text() == requirements.read_text()


async def _run(*arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(*arguments, stdout=asyncio.subprocess.DEVNULL)
    if await process.wait():
        raise SystemExit(f"{' '.join(arguments)} failed")

"""The Python environment of the peers, made once in `.local/benchmark-ingress-venv`."""

import asyncio
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
FOLDER = REPOSITORY / ".local" / "benchmark-ingress-venv"
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
PYTHON = FOLDER / "bin" / "python"


async def peers_python() -> Path:
    """Its interpreter; installs again what differs from the requirements."""
    mark = FOLDER / "requirements.txt"
    if not mark.exists() or mark.read_text() != REQUIREMENTS.read_text():
        await _run(sys.executable, "-m", "venv", "--clear", str(FOLDER))
        await _run(str(PYTHON), "-m", "pip", "install", "--quiet", "--requirement", str(REQUIREMENTS))
        mark.write_text(REQUIREMENTS.read_text())
    return PYTHON


async def _run(*arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(*arguments, stdout=asyncio.subprocess.DEVNULL)
    if await process.wait():
        raise SystemExit(f"{' '.join(arguments)} failed")

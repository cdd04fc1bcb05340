"""Compilation of our plugin for the installed broker."""

import asyncio
import os
import shutil
from pathlib import Path

from deploy.local.errors import LocalError
from deploy.local.rabbitmq_install import RabbitPrograms

NAME = "kreisfunk_bounds"
SOURCE = Path(__file__).parents[1] / "rabbitmq" / "bounds"


async def compile_plugin(plugins: Path, programs: RabbitPrograms) -> None:
    """Compile the plugin into the folder `plugins`. Raises LocalError."""
    target = plugins / NAME / "ebin"
    target.mkdir(parents=True, exist_ok=True, mode=0o700)
    shutil.copy(SOURCE / f"{NAME}.app", target)
    process = await asyncio.create_subprocess_exec(
        *(str(programs.erlc), "-o", str(target), str(SOURCE / f"{NAME}.erl")),
        env={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(plugins), "ERL_LIBS": str(programs.plugins)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    if process.returncode != 0:
        raise LocalError(f"Compiling {NAME} failed: {output.decode().strip()}")

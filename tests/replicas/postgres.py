"""A PostgreSQL primary with two synchronous standbys on one machine, and what promotes one of them."""

import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from deploy import LocalError
from deploy.local import DATABASE, OWNER
from deploy.local.ports import LOOPBACK, reserve_ports
from deploy.local.postgres import (
    WORKING_DIRECTORY,
    PostgresPaths,
    PostgresServer,
    build_environment,
    build_server,
    create_database,
    initialize,
    prepare_paths,
)
from deploy.local.process import Command, run_to_end
from tests.servers import connect_to_database, wait_for

SIZE = 3
# A standby that has lost its primary looks for the next one at once, and notices within seconds that it is lost.
SETTINGS = ("wal_retrieve_retry_interval=200ms", "wal_receiver_timeout=5s", "wal_sender_timeout=5s")
# Any server may take part in the quorum; what a client is told to be committed is on two of the three.
SYNCHRONOUS = "ANY 1 ({})"


@dataclass(frozen=True, kw_only=True)
class ReplicatedServer:
    """One of the servers, and where its data is."""

    server: PostgresServer
    place: PostgresPaths
    folder: Path


@dataclass(frozen=True, kw_only=True)
class ReplicatedDatabase:
    """The servers, one of which is the primary at any time."""

    members: tuple[ReplicatedServer, ...]
    password: str = field(repr=False)

    @property
    def ports(self) -> tuple[int, ...]:
        return tuple(member.server.port for member in self.members)

    @property
    def hosts(self) -> str:
        return ",".join(member.server.hosts for member in self.members)

    @property
    def url(self) -> str:
        """URL of all servers with the owner's login, a superuser here; the primary is the one that accepts writes."""
        return f"postgresql://{OWNER}:{quote(self.password, safe='')}@{self.hosts}/{DATABASE}?{ONLY_THE_PRIMARY}"

    async def find_primary(self) -> ReplicatedServer:
        """Return the server that accepts writes. Raises LocalError."""
        for member in self._list_running():
            if not await _fetch_value(member.server, "select pg_is_in_recovery()"):
                return member
        raise LocalError("No PostgreSQL server accepts writes.")

    async def switch_primary(self) -> ReplicatedServer:
        """Promote the standby that has received most; return it once it accepts writes.

        The primary has to have ended. Of two standbys at least one has all that was ever reported as committed: both
        have to be asked.
        """
        standbys = self._list_running()
        for member in standbys:
            await wait_for(partial(_has_all_it_gets, member.server))
        received = [await _fetch_value(member.server, _RECEIVED) for member in standbys]
        best = standbys[received.index(max(received))]
        if not await _fetch_value(best.server, "select pg_promote()"):
            raise LocalError(f"{best.server.name} was not promoted.")
        return best

    async def add_standby(self, member: ReplicatedServer) -> None:
        """Replace the data of a server that has ended by a copy of the primary's, and start it as a standby."""
        await _copy_primary((await self.find_primary()).server, member)
        await member.server.start()

    def _list_running(self) -> Sequence[ReplicatedServer]:
        return [member for member in self.members if member.server.pid is not None]


ONLY_THE_PRIMARY = "target_session_attrs=read-write"
_ENDED = "select not exists (select from pg_stat_wal_receiver where status = 'streaming')"
_RECEIVED = "select greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) - '0/0'::pg_lsn"


async def _has_all_it_gets(server: PostgresServer) -> bool:
    """Whether it writes nothing more of the primary: with more than the next primary has, it cannot follow that one."""
    return bool(await _fetch_value(server, _ENDED))


async def _fetch_value(server: PostgresServer, statement: str) -> Any:
    async with connect_to_database(server.build_url("postgres"), timeout=5) as connection:
        return await connection.fetchval(statement)


@asynccontextmanager
async def run_postgres_replicas(folder: Path, password: str) -> AsyncIterator[ReplicatedDatabase]:
    """Run a primary with two standbys, with the database `kreisfunk`; they begin anew each time."""
    shutil.rmtree(folder, ignore_errors=True)
    async with AsyncExitStack() as ends:
        ports = ends.enter_context(reserve_ports(SIZE))
        members = []
        for number, port in enumerate(ports, 1):
            place = folder / f"server-{number}"
            paths = await prepare_paths(place)
            server = build_server(
                paths,
                place / "postgres.log",
                port,
                password,
                name=f"postgres-{number}",
                settings=(*SETTINGS, f"cluster_name=server_{number}", f"primary_conninfo={_build_conninfo(ports)}"),
                environment={"PGPASSWORD": password},
            )
            members.append(ReplicatedServer(server=server, place=paths, folder=place))
            ends.push_async_callback(server.stop)
        primary, *standbys = members
        await initialize(primary.place, primary.folder / "initdb.log", password)
        await primary.server.start()
        await create_database(primary.server)
        names = ", ".join(f"server_{number}" for number in range(1, SIZE + 1))
        await _fetch_value(
            primary.server, f"alter system set synchronous_standby_names = '{SYNCHRONOUS.format(names)}'"
        )
        for standby in standbys:
            await _copy_primary(primary.server, standby)
            await standby.server.start()
        await _fetch_value(primary.server, "select pg_reload_conf()")
        yield ReplicatedDatabase(members=tuple(members), password=password)


def _build_conninfo(ports: Sequence[int]) -> str:
    """Return how a standby finds the primary, whichever server that is; the password is in its environment."""
    hosts, numbers = ",".join(LOOPBACK for _ in ports), ",".join(str(port) for port in ports)
    return f"host={hosts} port={numbers} user={OWNER} connect_timeout=2 {ONLY_THE_PRIMARY}"


async def _copy_primary(primary: PostgresServer, standby: ReplicatedServer) -> None:
    """Copy the primary's data into the standby's folder, its settings in postgresql.auto.conf included."""
    place = standby.place
    for path in place.data.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    program = str(place.programs / "bin" / "pg_basebackup")
    address = ("--host", LOOPBACK, "--port", str(primary.port), "--username", OWNER)
    command = Command(
        name="pg_basebackup",
        arguments=(program, "--pgdata", WORKING_DIRECTORY, *address, "--checkpoint=fast"),
        log=standby.folder / "basebackup.log",
        environment={**build_environment(), "PGPASSWORD": primary.password},
        folder=place.data,
        account=place.account,
    )
    await run_to_end(command)
    signal_file = place.data / "standby.signal"
    signal_file.touch(mode=0o600)
    if place.account is not None:
        shutil.chown(signal_file, place.account.pw_uid, place.account.pw_gid)

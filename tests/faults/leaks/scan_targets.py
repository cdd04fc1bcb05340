"""Search in files, tables and queues."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import asyncpg

from shared.amqp.topology import SUBSCRIPTIONS_INBOUND
from tests.faults.leaks.observer import peek, read_stream
from tests.faults.leaks.pii_patterns import PatternGroup, PiiKind
from tests.faults.leaks.scanner import Leak, PatternScanner, exclude_kinds
from tests.servers import connect_to_database

CHUNK_SIZE = 4_000_000
# The only tables that may contain personal values, and of which kind; docs/datenschutz.md says for how long.
ALLOWED: Mapping[str, PiiKind] = {
    "subscriptions.feedback": PiiKind.TEXT,
    "subscriptions.erasure": PiiKind.ERASED,
    "subscriptions.inbox": PiiKind.ERASED,
    "newsroom.feedback": PiiKind.TEXT,
}

_TABLES = """
select format('%I.%I', n.nspname, c.relname) as name, c.oid
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'm') and n.nspname <> 'information_schema' and n.nspname not like 'pg\\_%'
order by 1
"""
_COLUMNS = (
    "select quote_ident(attname) as name from pg_attribute where attrelid = $1 and attnum > 0 and not attisdropped"
)


def search_file(path: Path, where: str, groups: Sequence[PatternGroup]) -> list[Leak]:
    """Search a text file; each leak names the first line with any."""
    scanner = PatternScanner(groups)
    with path.open("rb") as file:
        while piece := file.read(CHUNK_SIZE):
            scanner.feed(piece)
    return scanner.list_leaks(where, at=f"line {scanner.first_line}")


def find_log_files(folder: Path) -> Iterator[Path]:
    """Yield the log files of our processes and of the servers, rotated ones included."""
    yield from sorted(path for path in folder.rglob("*.log*") if path.is_file())


async def search_tables(url: str, groups: Sequence[PatternGroup]) -> list[Leak]:
    """Search a binary dump of every table; `url` is that of a role that may read all of them."""
    async with connect_to_database(url, timeout=10) as connection:
        tables = await connection.fetch(_TABLES)
        return [leak for name, oid in tables for leak in await _search_table(connection, name, oid, groups)]


async def _search_table(
    connection: asyncpg.Connection, name: str, oid: int, groups: Sequence[PatternGroup]
) -> list[Leak]:
    """Search one table; search its columns one by one only if there is a hit."""
    relevant = exclude_kinds(groups, {ALLOWED[name]} if name in ALLOWED else ())
    if not (await _dump(connection, f"select * from {name}", relevant)).found:  # noqa: S608 (from the catalogue)
        return []
    leaks = []
    for (column,) in await connection.fetch(_COLUMNS, oid):
        scanner = await _dump(connection, f"select {column} from {name}", relevant)  # noqa: S608 (quoted by the server)
        leaks += scanner.list_leaks(f"table {name}", at=f"column {column}")
    return leaks


async def _dump(connection: asyncpg.Connection, query: str, groups: Sequence[PatternGroup]) -> PatternScanner:
    scanner = PatternScanner(groups)

    async def feed(piece: bytes) -> None:
        scanner.feed(piece)

    await connection.copy_from_query(query, output=feed, format="binary")
    return scanner


async def search_queues(url: str, types: Mapping[str, str], groups: Sequence[PatternGroup]) -> list[Leak]:
    """Search every waiting message, headers included; all are returned to their queues.

    `types` are RabbitMQ's queue types by name.
    """
    leaks = []
    for name, kind in types.items():
        relevant = exclude_kinds(groups, {PiiKind.TEXT} if name.startswith(SUBSCRIPTIONS_INBOUND.name) else ())
        body, headers = PatternScanner(relevant), PatternScanner(relevant)
        async for message in (read_stream if kind == "stream" else peek)(url, name):
            body.feed(message.body + b"\n")
            headers.feed(message.properties + b"\n")
        leaks += [*body.list_leaks(f"queue {name}", at="body"), *headers.list_leaks(f"queue {name}", at="headers")]
    return leaks

"""Checks of the servers: RabbitMQ's logins and topology, PostgreSQL's roles and migrations, our own ports."""

from collections.abc import Awaitable, Callable
from contextlib import suppress

import aiohttp
import asyncpg

from cli.broker import explain_broker_error
from cli.database import REFUSED, UNAVAILABLE, open_connection
from cli.doctor.findings import DoctorProblem
from cli.migrate.database import SCHEMAS, locate_migrations
from cli.rabbitmq_management import QUEUE_ADVICE, QueueArgumentsError, require_same_arguments
from cli.settings import BrokerAdminSettings
from shared.amqp.connection import connect
from shared.amqp.inspection import Inventory, list_operator_queues, take_inventory
from shared.amqp.publisher import open_publisher
from shared.database import replication
from shared.database.migrations import MigrationError, list_pending_versions
from shared.outcome import DependencyUnavailable, Unroutable
from shared.runtime.settings import BrokerAccess, DatabaseAccess

MAX_NAMES = 5
MAX_REASON_LENGTH = 200
InventoryCheck = Callable[[Inventory], DoctorProblem | None]
DatabaseCheck = Callable[[asyncpg.Connection], Awaitable[DoctorProblem | None]]
_LOGIN_ADVICE = "Check KREISFUNK_DATABASE_URL and KREISFUNK_DATABASE_PASSWORD, then run `kreisfunk migrate`."
_LETTERS_ADVICE = 'What each is and how to settle it: operators\' guide, "Dead letters and quarantine".'
# Each row is a right that no service needs.
EXCESSIVE_RIGHTS = """
select reason from (values
    ('is a superuser or administers roles or databases', (
        select rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls
        from pg_roles where rolname = current_user)),
    ('may create schemas', has_database_privilege(current_database(), 'create')),
    ('may create tables', exists (
        select from pg_namespace where nspname !~ '^pg_' and has_schema_privilege(oid, 'create'))),
    ('owns tables or functions', exists (
        select from pg_roles where rolname = current_user and (
            exists (select from pg_class where relowner = pg_roles.oid)
            or exists (select from pg_proc where proowner = pg_roles.oid)))),
    ('may use tables of another service', exists (
        select from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = any($1) and c.relkind in ('r', 'p', 'v', 'm') and has_schema_privilege(n.oid, 'usage')
            and (has_any_column_privilege(c.oid, 'select, insert, update')
                or has_table_privilege(c.oid, 'delete, truncate')))),
    ('is a member of another role', exists (
        select from pg_auth_members where member = (select oid from pg_roles where rolname = current_user)))
) as rights (reason, held) where held
"""


async def check_login(access: BrokerAccess, check: InventoryCheck | None = None) -> DoctorProblem | None:
    """Check that the login can open the vhost; with `check`, pass it the broker's inventory."""
    try:
        async with connect(access.broker_url, password=access.broker_secret, name="doctor") as connection:
            return check(await take_inventory(connection)) if check else None
    except DependencyUnavailable as error:
        return DoctorProblem(str(error), explain_broker_error(error))


async def check_publishing(access: BrokerAccess, exchange: str) -> DoctorProblem | None:
    """Check that no alarm keeps the broker from taking messages, by two that no queue gets: it takes the first."""
    try:
        async with (
            connect(access.broker_url, password=access.broker_secret, name="doctor") as connection,
            open_publisher(connection) as publisher,
        ):
            for number in range(2):
                with suppress(Unroutable):
                    await publisher.publish(exchange, "doctor", b"", message_id=str(number))
    except DependencyUnavailable as error:
        advice = 'If it can be reached, it is short of memory or disk space: runbook "BrokerAlarm".'
        return DoctorProblem(str(error), advice if "TimeoutError" in str(error) else explain_broker_error(error))
    return None


async def check_queue_arguments(settings: BrokerAdminSettings) -> DoctorProblem | None:
    """Check that existing queues are as this version declares them; only an administrator can see that."""
    try:
        await require_same_arguments(settings)
    except QueueArgumentsError as error:
        return DoctorProblem(str(error), QUEUE_ADVICE)
    except DependencyUnavailable as error:
        return DoctorProblem(str(error), "Is KREISFUNK_BROKER_API_URL right, and may the administrator log in there?")
    return None


def check_topology(inventory: Inventory) -> DoctorProblem | None:
    advice = "Run `kreisfunk migrate` as the broker's administrator."
    return DoctorProblem(f"missing: {_format_names(inventory.missing)}", advice) if inventory.missing else None


def check_dead_letters(inventory: Inventory) -> DoctorProblem | None:
    """Check that no message waits for an operator."""
    counts = [f"{inventory.waiting[name]} in {name}" for name in list_operator_queues() if inventory.waiting.get(name)]
    return DoctorProblem(_format_names(counts), _LETTERS_ADVICE) if counts else None


def _format_names(names: list[str] | tuple[str, ...]) -> str:
    more = len(names) - MAX_NAMES
    return ", ".join(names[:MAX_NAMES]) + (f" and {more} more" if more > 0 else "")


async def check_database(access: DatabaseAccess, check: DatabaseCheck) -> DoctorProblem | None:
    try:
        async with open_connection(access, "doctor") as connection:
            return await check(connection)
    except REFUSED:
        return DoctorProblem("the database refuses this role", _LOGIN_ADVICE)
    except UNAVAILABLE as error:
        return DoctorProblem(
            f"{type(error).__name__}", "Is PostgreSQL up, open for writing, and are host, port and name right?"
        )


async def check_connection(connection: asyncpg.Connection) -> DoctorProblem | None:
    await connection.execute("select true")
    return None


async def check_rights(schema: str, connection: asyncpg.Connection) -> DoctorProblem | None:
    """Check that the role of the service with this schema has no rights beyond it."""
    others = [other for other in SCHEMAS if other != schema]
    reasons = [row["reason"] for row in await connection.fetch(EXCESSIVE_RIGHTS, others)]
    advice = "Use the service's own role, and revoke its additional rights."
    return DoctorProblem(f"this role {', '.join(reasons)}", advice) if reasons else None


async def check_migrations(schema: str, connection: asyncpg.Connection) -> DoctorProblem | None:
    """Check that all migrations of this version have run and that none has changed since."""
    try:
        pending = await list_pending_versions(connection, schema, locate_migrations(schema))
    except MigrationError as error:
        return DoctorProblem(str(error), "Restore the original file, and put the change into a new migration.")
    except asyncpg.InsufficientPrivilegeError:
        return DoctorProblem("this role may not read the list of migrations", "Run `kreisfunk migrate`.")
    return DoctorProblem(f"{len(pending)} migrations have not run", "Run `kreisfunk migrate`.") if pending else None


async def check_kept_letters(connection: asyncpg.Connection) -> DoctorProblem | None:
    """Check that subscriptions keep no message of a citizen that could not be handled."""
    count = await connection.fetchval("select count(*) from subscriptions.dead_letter")
    return DoctorProblem(f"{count} in `kreisfunk dead-letters list`", _LETTERS_ADVICE) if count else None


async def check_standbys(expected: int, connection: asyncpg.Connection) -> DoctorProblem | None:
    """Check that every commit waits for a standby, and that `expected` standbys are connected."""
    try:
        await replication.require_synchronous_commits(connection)
    except replication.AsynchronousCommitError as error:
        return DoctorProblem(f"{error}", 'See "Replicated parts" in docs/reliability.md.')
    count = await replication.count_synchronous_standbys(connection)
    advice = "Bring back the missing ones; without any, no commit returns."
    return DoctorProblem(f"{count} of {expected} standbys are connected", advice) if count < expected else None


async def check_webhook(url: str) -> DoctorProblem | None:
    """Check that an unsigned webhook is answered with 401."""
    try:
        async with aiohttp.ClientSession() as session, session.post(url, data=b"{}") as answer:
            status = answer.status
    except aiohttp.ClientError as error:
        return _report_unreachable(error)
    what = f"an unsigned webhook got {status} instead of 401"
    return None if status == 401 else DoctorProblem(what, "Check the address: something else answers.")


async def check_ready(url: str) -> DoctorProblem | None:
    try:
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            status, text = answer.status, (await answer.text(errors="replace")).strip()[:MAX_REASON_LENGTH]
    except aiohttp.ClientError as error:
        return _report_unreachable(error)
    advice = "Fix what it names; it then becomes ready on its own."
    return None if status == 200 else DoctorProblem(text or f"answers with {status}", advice)


def _report_unreachable(error: aiohttp.ClientError) -> DoctorProblem:
    advice = "Is the process running? Look at the end of its log."
    return DoctorProblem(f"does not answer: {type(error).__name__}", advice)

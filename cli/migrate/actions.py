"""Action of `kreisfunk migrate`."""

import asyncio

import asyncpg

from cli.migrate.broker import migrate_broker
from cli.migrate.database import migrate_database
from cli.migrate.settings import Settings
from cli.output import fail, say
from cli.queue_arguments import ADVICE, QueueArgumentsError, require_same_arguments
from shared.database.migrations import MigrationError
from shared.database.replication import AsynchronousCommitError
from shared.notices.config import ConfigurationError
from shared.outcome import DependencyUnavailable
from shared.runtime.settings import read_settings


def migrate_all(*, broker: bool, database: bool) -> None:
    """Migrate the database and the broker, print each step, and end the command on an error."""
    settings = read_settings(Settings)
    try:
        asyncio.run(_migrate(settings, broker=broker, database=database))
    except (DependencyUnavailable, OSError, asyncpg.PostgresError) as error:
        fail(f"{type(error).__name__}: {error}", "Are PostgreSQL and RabbitMQ up, and the passwords right?")
    except QueueArgumentsError as error:
        fail(str(error), ADVICE)
    except ConfigurationError as error:
        fail(str(error), "Correct the county's file, or name another one in KREISFUNK_COUNTY_FILE.")
    except AsynchronousCommitError as error:
        fail(f"{error}.", 'See "Replicated parts" in docs/reliability.md, or set KREISFUNK_DATABASE_STANDBYS to 0.')
    except MigrationError as error:
        fail(str(error), "Restore the file as it was, and put the change into a new migration.")


async def _migrate(settings: Settings, *, broker: bool, database: bool) -> None:
    if broker:
        await require_same_arguments(settings)
    if database:
        for line in await migrate_database(settings):
            say(f"database: {line}")
    if broker:
        for line in await migrate_broker(settings):
            say(f"broker: {line}")

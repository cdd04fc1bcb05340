"""`kreisfunk migrate`: bring database and broker to the state that this version needs; safe to repeat."""

import asyncio

from cli.database import UNAVAILABLE
from cli.migrate.broker import migrate_broker
from cli.migrate.database import migrate_database
from cli.output import fail, say
from cli.rabbitmq_management import QUEUE_ADVICE, QueueArgumentsError, require_same_arguments
from cli.settings import MigrationSettings
from shared.database.migrations import MigrationError, SkippedVersion, TableInUse
from shared.database.replication import AsynchronousCommitError
from shared.notices.configuration import ConfigurationError
from shared.outcome import DependencyUnavailable
from shared.runtime.settings import read_settings


def migrate() -> None:
    """Prepare database and broker for this version. Safe to repeat and to run concurrently."""
    settings = read_settings(MigrationSettings)
    try:
        asyncio.run(_migrate(settings))
    except (DependencyUnavailable, *UNAVAILABLE) as error:
        fail(f"{type(error).__name__}: {error}", "Are PostgreSQL and RabbitMQ up, and the passwords right?")
    except QueueArgumentsError as error:
        fail(str(error), QUEUE_ADVICE)
    except ConfigurationError as error:
        fail(str(error), "Correct the county's file, or name another one in KREISFUNK_COUNTY_FILE.")
    except AsynchronousCommitError as error:
        fail(f"{error}.", 'See "Replicated parts" in docs/reliability.md, or set KREISFUNK_DATABASE_STANDBYS to 0.')
    except (TableInUse, SkippedVersion) as error:
        fail(str(error))
    except MigrationError as error:
        fail(str(error), "Restore the file as it was, and put the change into a new migration.")


async def _migrate(settings: MigrationSettings) -> None:
    await require_same_arguments(settings)
    for line in await migrate_database(settings):
        say(f"database: {line}")
    for line in await migrate_broker(settings):
        say(f"broker: {line}")

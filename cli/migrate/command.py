"""The `kreisfunk migrate` command."""

from typing import Annotated

import typer


def migrate(
    broker: Annotated[bool, typer.Option(help="Topology, logins and permissions of RabbitMQ.")] = True,
    database: Annotated[bool, typer.Option(help="Roles and schemas of PostgreSQL.")] = True,
) -> None:
    """Prepare database and broker for this version. Safe to repeat, and when several start at once."""
    from cli.migrate.actions import migrate_all

    migrate_all(broker=broker, database=database)

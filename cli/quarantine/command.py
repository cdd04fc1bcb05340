"""The commands."""

from typing import Annotated

import typer

from cli.options import BrokerStack, Json

DEFAULT_LIMIT = 100

quarantine = typer.Typer(
    help="What was not understood and is kept: look at it, send it again, or drop it.", no_args_is_help=True
)

Which = Annotated[str, typer.Argument(help="Its id as `list` shows it; the beginning will do.")]
WhichOrAll = Annotated[str | None, typer.Argument(help="Its id as `list` shows it; the beginning will do.")]
All = Annotated[bool, typer.Option("--all", help="Everything that is there.")]


@quarantine.command("list")
def list_kept(
    limit: Annotated[int, typer.Option(min=1, help="The oldest so many.")] = DEFAULT_LIMIT,
    json: Json = False,
    stack: BrokerStack = None,
) -> None:
    """List what is there: since when, how large, and what was not understood. Needs no key.

    Exit status: 0, 2 wrong command line, 4 broker away or login refused.
    """
    from cli.quarantine.actions import list_items

    list_items(limit, stack, as_json=json)


@quarantine.command()
def show(
    which: Which,
    raw: Annotated[bool, typer.Option("--raw", help="The bytes as they came, and nothing else.")] = False,
    stack: BrokerStack = None,
) -> None:
    """Open one and print what is in it: it may name people, so mind where it goes. Needs the sealing keys.

    Exit status: 0, 2 wrong command line, 3 not there or not to be opened, 4 broker away or login refused.
    """
    from cli.quarantine.actions import show_item

    show_item(which, stack, raw=raw)


@quarantine.command()
def replay(which: WhichOrAll = None, everything: All = False, json: Json = False, stack: BrokerStack = None) -> None:
    """Send it through today's understanding; what is understood as a whole leaves the quarantine.

    May be ended at any time and repeated: nothing is lost, and what was handled before is recognised. Messages older
    than eight days are not sent on. Needs the sealing keys and the index key.

    Exit status: 0 all done, 2 wrong command line, 3 something is still not understood, 4 broker away or login refused.
    """
    from cli.quarantine.actions import replay_items

    replay_items(which, stack, everything=everything, as_json=json)


@quarantine.command()
def drop(
    which: WhichOrAll = None,
    everything: All = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
    stack: BrokerStack = None,
) -> None:
    """Delete it for good.

    Exit status: 0, 2 wrong command line or not confirmed, 3 not there, 4 broker away or login refused.
    """
    from cli.quarantine.actions import drop_items

    drop_items(which, stack, everything=everything, yes=yes, as_json=json)

"""The `kreisfunk quarantine` commands."""

from typing import Annotated

import typer

from cli.options import All, BrokerStack, Json, ListLimit, WhichOrAll, Yes

DEFAULT_LIMIT = 100

quarantine = typer.Typer(
    help="What was not understood and is kept: look at it, send it again, or drop it.", no_args_is_help=True
)

Which = Annotated[str, typer.Argument(help="Its id as `list` shows it; the beginning will do.")]


@quarantine.command("list")
def list_kept(limit: ListLimit = DEFAULT_LIMIT, json: Json = False, stack: BrokerStack = None) -> None:
    """List what is in quarantine: since when, its size, and why it could not be parsed. Needs no key.

    Exit status: 0, 2 wrong command line, 4 broker unavailable or login refused.
    """
    from cli.quarantine.actions import list_items

    list_items(limit, stack, as_json=json)


@quarantine.command()
def show(
    which: Which,
    raw: Annotated[bool, typer.Option("--raw", help="The bytes as they came, and nothing else.")] = False,
    stack: BrokerStack = None,
) -> None:
    """Decrypt one item and print it. It may name people, so mind where the output goes. Needs the encryption keys.

    Exit status: 0, 2 wrong command line, 3 not found or cannot be decrypted, 4 broker unavailable or login refused.
    """
    from cli.quarantine.actions import show_item

    show_item(which, stack, raw=raw)


@quarantine.command()
def replay(which: WhichOrAll = None, everything: All = False, json: Json = False, stack: BrokerStack = None) -> None:
    """Parse it again with this version; an item that is parsed completely leaves the quarantine.

    May be interrupted and repeated: nothing is lost, and events handled before are recognised. Messages older than
    eight days are not sent on. Needs the encryption keys and the index key.

    Exit status: 0 all done, 2 wrong command line, 3 something still cannot be parsed,
    4 broker unavailable or login refused.
    """
    from cli.quarantine.actions import replay_items

    replay_items(which, stack, everything=everything, as_json=json)


@quarantine.command()
def drop(
    which: WhichOrAll = None,
    everything: All = False,
    yes: Yes = False,
    json: Json = False,
    stack: BrokerStack = None,
) -> None:
    """Delete it for good.

    Exit status: 0, 2 wrong command line or not confirmed, 3 not found, 4 broker unavailable or login refused.
    """
    from cli.quarantine.actions import drop_items

    drop_items(which, stack, everything=everything, yes=yes, as_json=json)

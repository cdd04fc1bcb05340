"""Commands of `kreisfunk feeds`."""

from typing import Annotated

import typer

from cli.feeds import drafts
from cli.feeds.options import Feeds, FolderOption
from cli.options import BrokerStack, Json

app = typer.Typer(
    help="Feeds of the county's website (RSS, Atom) and warnings (CAP 1.2) become notices.", no_args_is_help=True
)
app.add_typer(drafts.app, name="drafts")

Only = Annotated[list[str] | None, typer.Option("--only", help="Name of a feed or of alerts; may be repeated.")]


@app.command()
def once(
    file: Feeds = None,
    folder: FolderOption = None,
    only: Only = None,
    wait: Annotated[float, typer.Option(min=0, max=600, help="Longest wait for Kreisfunk's answers, in s.")] = 5.0,
    json: Json = False,
    stack: BrokerStack = None,
) -> None:
    """Poll all feeds and warnings once and publish what is new.

    Exit status: 0 all polled, 1 something could not be read or was rejected, 2 wrong command line or configuration,
    4 Kreisfunk unavailable or login refused (what was found is kept, and published next time).
    """
    from cli.feeds.actions import poll_once

    poll_once(stack, file, folder, only or (), wait, as_json=json)


@app.command("list")
def list_origins(file: Feeds = None, folder: FolderOption = None, json: Json = False) -> None:
    """List the feeds and warnings, their state, and what needs attention: drafts and refused events.

    Exit status: 0, 2 wrong command line or configuration.
    """
    from cli.feeds.overview import show_overview

    show_overview(file, folder, as_json=json)


@app.command()
def check(
    target: Annotated[str, typer.Argument(help="A file, an address, or - for standard input: a feed or an alert.")],
    by: Annotated[str | None, typer.Option("--rules", help="By whose rules: name of a feed or of alerts.")] = None,
    file: Feeds = None,
    json: Json = False,
) -> None:
    """Show what would happen to each entry if it arrived now and were new. Nothing is kept, nothing is sent.

    Exit status: 0 all fine, 1 it cannot be read, 2 wrong command line or configuration, 3 something in it is broken or
    would be refused.
    """
    from cli.feeds.dry_run_output import show_dry_run

    show_dry_run(target, by, file, as_json=json)


@app.command()
def run(file: Feeds = None, folder: FolderOption = None, stack: BrokerStack = None) -> None:
    """Poll all feeds and warnings until SIGTERM or Ctrl-C, and publish what is new.

    `/readyz` and `/metrics` are on the internal port. Exit status: 0 ended, 2 configuration.
    """
    from cli.feeds.actions import run_feeds

    run_feeds(stack, file, folder)

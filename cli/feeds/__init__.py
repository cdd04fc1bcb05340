"""`kreisfunk feeds`: notices from the feeds of the county's website and from public warnings."""

from pathlib import Path
from typing import Annotated

import typer

from cli.options import BrokerStack, Json

app = typer.Typer(no_args_is_help=True)
drafts_app = typer.Typer(
    help="Drafts, and what was refused: look, publish as the system of the feeds, or drop.", no_args_is_help=True
)
app.add_typer(drafts_app, name="drafts")

Feeds = Annotated[Path | None, typer.Option("--file", help="What is read, in TOML; else KREISFUNK_FEEDS_FILE.")]
FolderOption = Annotated[
    Path | None, typer.Option("--folder", help="What is known and drafts; else KREISFUNK_FEEDS_FOLDER.")
]
Draft = Annotated[str, typer.Argument(metavar="NAME", help="As `list` shows it.")]


@app.command()
def once(
    file: Feeds = None,
    folder: FolderOption = None,
    wait: Annotated[float, typer.Option(min=0, max=600, help="Longest wait for Kreisfunk's answers, in s.")] = 5.0,
    json: Json = False,
    stack: BrokerStack = None,
) -> None:
    """Poll all feeds and warnings once and publish what is new.

    Exit status: 0 all polled, 1 something could not be read or was rejected, 2 wrong command line or configuration,
    4 Kreisfunk unavailable or login refused (what was found is kept, and published next time), 5 published, but
    answers could not be read.
    """
    from cli.feeds.actions import poll_once

    poll_once(stack, file, folder, wait, as_json=json)


@app.command("list")
def list_origins(file: Feeds = None, folder: FolderOption = None, json: Json = False) -> None:
    """List the feeds and warnings, their state, and what needs attention: drafts and refused events.

    Exit status: 0, 2 wrong command line or configuration.
    """
    from cli.feeds.drafts import show_overview

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
    from cli.feeds.results import show_dry_run

    show_dry_run(target, by, file, as_json=json)


@app.command()
def run(file: Feeds = None, folder: FolderOption = None, stack: BrokerStack = None) -> None:
    """Poll all feeds and warnings until SIGTERM or Ctrl-C, and publish what is new.

    `/readyz` and `/metrics` are on the internal port. Exit status: 0 ended, 2 configuration.
    """
    from cli.feeds.actions import run_feeds

    run_feeds(stack, file, folder)


@drafts_app.command("list")
def list_drafts(folder: FolderOption = None, json: Json = False) -> None:
    """List drafts, and refused events with the reasons, oldest first."""
    from cli.feeds.drafts import show_drafts

    show_drafts(folder, as_json=json)


@drafts_app.command()
def show(name: Draft, folder: FolderOption = None) -> None:
    """Print the event in the form that `kreisfunk publish` reads. Exit status: 0, 3 no draft of this name."""
    from cli.feeds.drafts import show_draft

    show_draft(name, folder)


@drafts_app.command()
def publish(
    name: Draft, file: Feeds = None, folder: FolderOption = None, json: Json = False, stack: BrokerStack = None
) -> None:
    """Publish it as the system of the feeds, and remove it. With another login: `show NAME | kreisfunk publish -`.

    Exit status: 0 accepted, 2 wrong command line or configuration, 3 no draft of this name, or rejected (it stays),
    4 Kreisfunk unavailable or login refused, 5 no answer yet.
    """
    from cli.feeds.drafts import publish_draft

    publish_draft(name, file, folder, stack, as_json=json)


@drafts_app.command()
def drop(name: Draft, folder: FolderOption = None) -> None:
    """Remove it without publishing it. Exit status: 0, 3 no draft of this name."""
    from cli.feeds.drafts import drop_draft

    drop_draft(name, folder)

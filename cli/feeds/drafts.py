"""`kreisfunk feeds drafts`: drafts and refused events, which an operator publishes or drops."""

from typing import Annotated

import typer

from cli.feeds.options import Feeds, FolderOption
from cli.options import BrokerStack, Json

app = typer.Typer(
    help="Drafts, and what was refused: look, publish as the system of the feeds, or drop.", no_args_is_help=True
)

Draft = Annotated[str, typer.Argument(metavar="NAME", help="As `list` shows it.")]


@app.command("list")
def list_drafts(folder: FolderOption = None, json: Json = False) -> None:
    """List drafts, and refused events with the reasons, oldest first."""
    from cli.feeds.draft_actions import show_drafts

    show_drafts(folder, as_json=json)


@app.command()
def show(name: Draft, folder: FolderOption = None) -> None:
    """Print the event in the form that `kreisfunk publish` reads. Exit status: 0, 3 no draft of this name."""
    from cli.feeds.draft_actions import show_draft

    show_draft(name, folder)


@app.command()
def publish(
    name: Draft, file: Feeds = None, folder: FolderOption = None, json: Json = False, stack: BrokerStack = None
) -> None:
    """Publish it as the system of the feeds, and remove it. With another login: `show NAME | kreisfunk publish -`.

    Exit status: 0 accepted, 2 wrong command line or configuration, 3 no draft of this name, or rejected (it stays),
    4 Kreisfunk unavailable or login refused, 5 no answer yet.
    """
    from cli.feeds.draft_actions import publish_draft

    publish_draft(name, file, folder, stack, as_json=json)


@app.command()
def drop(name: Draft, folder: FolderOption = None) -> None:
    """Remove it without publishing it. Exit status: 0, 3 no draft of this name."""
    from cli.feeds.draft_actions import drop_draft

    drop_draft(name, folder)

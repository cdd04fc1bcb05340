"""Options shared by several commands."""

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.output import Exit, fail
from deploy.paths import CONFIG

COUNTY, TEMPLATES = CONFIG / "county.toml", CONFIG / "templates.json"


def _build_stack_option(setting: str) -> Any:
    return typer.Option(help=f"Folder of a local stack; else {setting}, else .local/up or .local/demo.")


def _build_file_option(setting: str, text: str, default: Path) -> Any:
    return typer.Option(envvar=setting, help=text, show_default=f"deploy/config/{default.name}")


Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
BrokerStack = Annotated[Path | None, _build_stack_option("KREISFUNK_BROKER_URL")]
BrokerApiStack = Annotated[Path | None, _build_stack_option("KREISFUNK_BROKER_API_URL")]
DatabaseStack = Annotated[Path | None, _build_stack_option("KREISFUNK_DATABASE_URL")]
NoticesApiStack = Annotated[Path | None, _build_stack_option("KREISFUNK_NOTICES_API_URL")]
TokensStack = Annotated[Path | None, _build_stack_option("KREISFUNK_NOTICES_API_TOKENS_FILE")]
CountyFile = Annotated[Path, _build_file_option("KREISFUNK_COUNTY_FILE", "The county's file.", COUNTY)]
TemplatesFile = Annotated[Path, _build_file_option("KREISFUNK_TEMPLATES_FILE", "Our templates.", TEMPLATES)]
ListLimit = Annotated[int, typer.Option(min=1, help="How many to show.")]
WhichOrAll = Annotated[str | None, typer.Argument(help="Its id from `list`; a unique prefix suffices.")]
All = Annotated[bool, typer.Option("--all", help="All of them.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]

# Default time-out for Kreisfunk's answer. The slowest answer, about an unknown notice, takes half a minute.
ANSWER_TIMEOUT_SECONDS = 45.0


def require_selection(group: str, which: str | None, *, everything: bool) -> None:
    """End the command with status 2 unless exactly one of `which` and `everything` is given.

    An empty `which`, for example from an unset variable, would be a prefix of any single item.
    """
    if which == "" or (which is None) != everything:
        fail("Give an id, or --all.", f"`kreisfunk {group} list` shows the ids.", Exit.USAGE)

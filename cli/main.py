"""All commands of `kreisfunk`; only the called one is imported."""

import sys
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from inspect import cleandoc
from io import TextIOWrapper
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

from deploy import VERSION

# By their place in the help: module and attribute; a group's help, or the first paragraph of the command's own.
_COMMANDS = {
    "Try it": {
        "demo": (
            "cli.demo:demo",
            "Play the main job on a system of its own, and compare the simulator's account with our ledger.",
        ),
        "up": ("cli.up:up", "Keep the whole system up until Ctrl-C, with the simulator in Meta's place."),
    },
    "Publish": {
        "publish": (
            "cli.publish:publish",
            "Publish a notice to all subscribers of its topic, or to those who got an earlier one.",
        ),
        "withdraw": ("cli.publish:withdraw", "Withdraw a notice: whoever has not got it will not get it."),
        "newsroom": ("cli.newsroom:app", "The newsroom: who may write and approve notices there."),
        "feeds": ("cli.feeds:app", "Feeds of the county's website (RSS, Atom) and warnings (CAP 1.2) become notices."),
    },
    "Operate": {
        "doctor": ("cli.doctor.checks:doctor", "Look at an installation, and say what to do about what is wrong."),
        "trace": ("cli.operate.trace:show_delivery", "Show the life of one delivery, without personal data."),
        "broadcasts": (
            "cli.operate.broadcasts:app",
            "What is being sent, to how many; pause, resume, cancel, send again.",
        ),
        "sending": ("cli.operate.sending:app", "How fast we may send, why everybody waits just now; pause and resume."),
        "deliveries": ("cli.operate.waiting:deliveries", "Deliveries of which nobody knows whether Meta has them."),
        "templates": (
            "cli.operate.waiting:templates",
            "Templates that Meta does not accept just now; their broadcasts wait.",
        ),
        "dead-letters": (
            "cli.operate.waiting:dead_letters",
            "Messages of citizens that could not be handled, sealed: nobody can read them.",
        ),
        "quarantine": (
            "cli.quarantine:quarantine",
            "What was not understood and is kept: look at it, send it again, or drop it.",
        ),
        "backup": ("cli.backup:app", "The whole database as one encrypted file, while everything runs."),
        "restore": (
            "cli.backup:restore",
            "Restore a backup into an empty database. Sending is paused then, until `kreisfunk sending resume`.",
        ),
    },
    "Install": {
        "migrate": (
            "cli.migrate:migrate",
            "Prepare database and broker for this version. Safe to repeat, and when several start at once.",
        ),
        "setup": (
            "cli.setup:set_up",
            "Set up number, tokens, webhook and templates at Meta, as far as they are not yet,"
            " and send a first message.",
        ),
        "secrets": (
            "cli.secrets:secrets",
            "Create all secrets that are missing. Files that exist stay as they are; running again is safe.",
        ),
        "keys": ("cli.keys:keys", "New keys, while everything runs."),
        "tokens": ("cli.tokens:app", "Tokens of the systems that publish over HTTP; each change counts at once."),
        "systems": (
            "cli.systems:app",
            "Municipal systems that publish notices: register them, and let them in over AMQP.",
        ),
    },
}


class LazyCommand(NamedTuple):
    """A command that is not imported yet."""

    panel: str
    target: str
    help: str


COMMANDS: Mapping[str, LazyCommand] = {
    name: LazyCommand(panel, *command)
    for panel, commands in _COMMANDS.items()
    if panel != "Try it" or find_spec("deploy.local")  # which the production image does not hold
    for name, command in commands.items()
}


def load_command(name: str) -> Any:
    """Import a command and return it with its name and unwrapped help; a group has that of the list."""
    module, _, attribute = COMMANDS[name].target.partition(":")
    found = getattr(import_module(module), attribute)
    if isinstance(found, typer.Typer):
        command: Any = get_group(found)
        command.help = COMMANDS[name].help
    else:
        alone = typer.Typer(add_completion=False)
        alone.command()(found)
        command = get_command(alone)
    command.name = name
    _join_help_lines(command)
    return command


def _join_help_lines(command: Any) -> None:
    """Unwrap help paragraphs so that the terminal's width breaks the lines, except in paragraphs after \\b."""
    paragraphs = cleandoc(command.help or "").split("\n\n")
    command.help = "\n\n".join(
        each.removeprefix("\b\n") if each.startswith("\b\n") else each.replace("\n", " ") for each in paragraphs
    )
    for inner in getattr(command, "commands", {}).values():
        _join_help_lines(inner)


class LazyGroup(TyperGroup):
    """Group that lists all commands and imports the called one only."""

    def __init__(self, **given: Any) -> None:
        listed = {name: TyperCommand(name, help=one.help, rich_help_panel=one.panel) for name, one in COMMANDS.items()}
        super().__init__(**{**given, "commands": listed})

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        return name, command if name is None else load_command(name), rest


app = typer.Typer(
    cls=LazyGroup,
    help="Kreisfunk: the WhatsApp broadcast channel of a county.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"kreisfunk {VERSION}")
        raise typer.Exit


@app.callback()
def take_options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Take the options of the command itself, before any subcommand."""


def main() -> None:
    """Run the `kreisfunk` console script. What the terminal's encoding does not have is escaped, as on stderr."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    app()


if __name__ == "__main__":
    main()

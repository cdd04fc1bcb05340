"""All commands of `kreisfunk`; only the called one is imported."""

import codecs
import json
import os
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

# Commands by help panel: import target, and help text (of a single command, the first paragraph of its docstring).
_COMMANDS = {
    "Try it": {
        "demo": (
            "cli.demo:demo",
            "Run the main use case on a stack of its own, and reconcile the simulator's account with our ledger.",
        ),
        "up": ("cli.up:up", "Run the whole system until Ctrl-C, with the simulator in place of Meta."),
    },
    "Publish": {
        "publish": (
            "cli.publish:publish",
            "Publish a notice to all subscribers of its topic, or to those who got an earlier one.",
        ),
        "withdraw": ("cli.publish:withdraw", "Withdraw a notice: those who have not received it yet will not get it."),
        "newsroom": ("cli.newsroom:app", "Accounts of the newsroom, where notices are written and approved."),
        "feeds": ("cli.feeds:app", "Publish feeds of the county's website (RSS, Atom) and warnings (CAP 1.2)."),
    },
    "Operate": {
        "doctor": ("cli.doctor.checks:doctor", "Check an installation, and give advice on each problem."),
        "trace": ("cli.operate.trace:show_delivery", "Show the life of one delivery, without personal data."),
        "broadcasts": ("cli.operate.broadcasts:app", "Broadcasts and their progress; pause, resume, cancel, resend."),
        "sending": ("cli.operate.sending:app", "Sending limits, and why messages wait; pause and resume."),
        "deliveries": (
            "cli.operate.waiting:deliveries",
            "Deliveries with an unknown outcome: list and settle them.",
        ),
        "templates": ("cli.operate.waiting:templates", "Templates that Meta does not accept; their broadcasts wait."),
        "dead-letters": (
            "cli.operate.waiting:dead_letters",
            "Citizens' messages that could not be handled; encrypted, so nobody can read them.",
        ),
        "quarantine": ("cli.quarantine:quarantine", "Messages that could not be parsed: inspect, replay or drop them."),
        "backup": ("cli.backup:app", "The whole database as one encrypted file, while everything runs."),
        "restore": (
            "cli.backup:restore",
            "Restore a backup into an empty database. Sending stays paused until `kreisfunk sending resume`.",
        ),
    },
    "Install": {
        "migrate": (
            "cli.migrate:migrate",
            "Prepare database and broker for this version. Safe to repeat and to run concurrently.",
        ),
        "setup": (
            "cli.setup:set_up",
            "Set up number, tokens, webhook and templates at Meta where missing, and send a first message.",
        ),
        "secrets": (
            "cli.secrets:secrets",
            "Create all missing secrets. Existing files stay unchanged; safe to repeat.",
        ),
        "keys": ("cli.keys:keys", "Rotate encryption and index keys, while everything runs."),
        "tokens": ("cli.tokens:app", "Tokens of the systems that publish over HTTP; changes take effect at once."),
        "systems": (
            "cli.systems:app",
            "Register municipal systems that publish notices, and create their AMQP logins.",
        ),
    },
}


class LazyCommand(NamedTuple):
    """A command that is not imported yet."""

    panel: str
    target: str
    help: str


STREAMS = ("stdin", "stdout", "stderr")
COMMANDS: Mapping[str, LazyCommand] = {
    name: LazyCommand(panel, *command)
    for panel, commands in _COMMANDS.items()
    if panel != "Try it" or find_spec("deploy.local")  # which the production image lacks
    for name, command in commands.items()
}


def load_command(name: str) -> Any:
    """Import a command and return it with its name and unwrapped help; the help of a group comes from the list."""
    module, _, attribute = COMMANDS[name].target.partition(":")
    target = getattr(import_module(module), attribute)
    if isinstance(target, typer.Typer):
        command: Any = get_group(target)
        command.help = COMMANDS[name].help
    else:
        wrapper = typer.Typer(add_completion=False)
        wrapper.command()(target)
        command = get_command(wrapper)
    command.name = name
    _join_help_lines(command)
    return command


def _join_help_lines(command: Any) -> None:
    """Unwrap help paragraphs so that the terminal's width breaks the lines, except in paragraphs after \\b."""
    paragraphs = cleandoc(command.help or "").split("\n\n")
    command.help = "\n\n".join(
        text.removeprefix("\b\n") if text.startswith("\b\n") else text.replace("\n", " ") for text in paragraphs
    )
    for subcommand in getattr(command, "commands", {}).values():
        _join_help_lines(subcommand)


class LazyGroup(TyperGroup):
    """Group that lists all commands and imports the called one only."""

    def __init__(self, **attributes: Any) -> None:
        commands = {
            name: TyperCommand(name, help=command.help, rich_help_panel=command.panel)
            for name, command in COMMANDS.items()
        }
        super().__init__(**{**attributes, "commands": commands})

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


def _show_version(requested: bool) -> None:
    if requested:
        typer.echo(f"kreisfunk {VERSION}")
        raise typer.Exit


@app.callback()
def take_options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Take the options of the command itself, before any subcommand."""


def _escape_unknown(error: UnicodeError) -> tuple[str, int]:
    """Return the characters that the terminal cannot encode as JSON writes them, and where to go on."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end


def _open_closed_streams() -> None:
    """Let streams that the caller has closed lead nowhere, lest the next file or connection takes their numbers."""
    while (number := os.open(os.devnull, os.O_RDWR)) < len(STREAMS):
        setattr(sys, STREAMS[number], os.fdopen(number, "w" if number else "r"))
    os.close(number)


def main() -> None:
    """Run the `kreisfunk` console script. Characters that the terminal cannot encode are escaped; JSON stays JSON."""
    _open_closed_streams()
    codecs.register_error("kreisfunk", _escape_unknown)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="kreisfunk")
    try:
        app()
    except OSError as error:  # such as somebody else's file, or a full disk under the output
        if isinstance(error, ConnectionError | TimeoutError) or error.errno is None:
            raise
        sys.stderr.write(f"{error}\nCheck path, rights and disk.\n")
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - until the end, when Python would try once more
        sys.exit(1)


if __name__ == "__main__":
    main()

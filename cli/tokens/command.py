"""The `kreisfunk tokens` commands."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from cli.operate.tables import format_table, format_time
from cli.options import Json
from cli.output import EXIT_REJECTED, EXIT_USAGE, console, fail, say
from cli.tokens.settings import TokenRegistry, find_token_registry
from deploy.tokens import TokenFileError, add_token, generate_token, generate_token_id, read_tokens, remove_tokens
from shared.notices.systems import System
from shared.notices.tokens import Token
from shared.runtime.clock import system_clock

Stack = Annotated[
    Path | None,
    typer.Option(
        help="Folder of a local stack; else KREISFUNK_NOTICES_API_TOKENS_FILE, else .local/up or .local/demo."
    ),
]

app = typer.Typer(
    help="Tokens of the systems that publish over HTTP; each change counts at once.", no_args_is_help=True
)


@app.command()
def create(
    system: Annotated[str, typer.Argument(help="A system of the county's file, such as pressestelle.")],
    topic: Annotated[list[str] | None, typer.Option(help="Only for this topic; may be repeated.")] = None,
    days: Annotated[int | None, typer.Option(min=1, max=3660, help="Valid for so many days; usually for good.")] = None,
    json: Json = False,
    stack: Stack = None,
) -> None:
    """Create a token and print it. It is shown only this once: only its hash is stored.

    Exit status: 0, 2 wrong command line or unknown system.
    """
    office = find_token_registry(stack)
    topics = _check_topics(_require_system(office, system), topic or [])
    now = system_clock()
    text = generate_token()
    try:
        token = add_token(
            office.file,
            text,
            identifier=generate_token_id(system),
            system=system,
            now=now,
            topics=topics,
            expires_at=None if days is None else now + timedelta(days=days),
        )
    except TokenFileError as error:
        fail(str(error), "The folder has to be writable for this command.")
    if json:
        say(msgspec.json.encode({**_describe_token(token), "token": text}).decode())
        return
    say(text)
    console.print(f"Token {token.id}. It is shown this once: hand it over in confidence.", markup=False)


@app.command("list")
def list_tokens(json: Json = False, stack: Stack = None) -> None:
    """List all tokens, without their texts."""
    tokens = _read_tokens(find_token_registry(stack))
    if json:
        say(msgspec.json.encode({"tokens": [_describe_token(token) for token in tokens]}).decode())
        return
    rows = [
        (each.id, each.system, _format_scope(each), format_time(each.created_at), _format_expiry(each))
        for each in tokens
    ]
    say(format_table(("id", "system", "topics", "created", "ends"), rows) if rows else "there are no tokens")


@app.command()
def revoke(
    token: Annotated[str | None, typer.Argument(help="Id of the token, as `list` shows it.")] = None,
    system: Annotated[str | None, typer.Option(help="All tokens of this system instead.")] = None,
    json: Json = False,
    stack: Stack = None,
) -> None:
    """Revoke a token, with immediate effect.

    Exit status: 0, 2 wrong command line, 3 there is no such token.
    """
    if (token is None) == (system is None):
        fail("Give the id of a token, or --system.", status=EXIT_USAGE)
    office = find_token_registry(stack)
    try:
        removed = remove_tokens(office.file, lambda each: each.id == token or each.system == system)
    except TokenFileError as error:
        fail(str(error), "The folder has to be writable for this command.")
    if not removed:
        fail("There is no such token.", "`kreisfunk tokens list` shows which there are.", EXIT_REJECTED)
    if json:
        say(msgspec.json.encode({"revoked": [each.id for each in removed]}).decode())
        return
    for each in removed:
        say(f"revoked {each.id}")


def _require_system(office: TokenRegistry, name: str) -> System:
    system = office.configuration.find_system(name)
    if system is None:
        known = ", ".join(each.name for each in office.configuration.systems) or "(none)"
        fail(f"There is no system {name}.", f"The county's file has {known}.", EXIT_USAGE)
    return system


def _check_topics(system: System, topics: list[str]) -> list[str]:
    foreign = [topic for topic in topics if topic not in system.topics]
    if foreign:
        fail(
            f"{system.name} may not publish about {', '.join(foreign)}.",
            f"It has {', '.join(system.topics)}.",
            EXIT_USAGE,
        )
    return topics


def _read_tokens(office: TokenRegistry) -> tuple[Token, ...]:
    try:
        return read_tokens(office.file)
    except TokenFileError as error:
        fail(str(error))


def _describe_token(token: Token) -> dict[str, Any]:
    return {name: value for name, value in msgspec.to_builtins(token).items() if name != "sha256"}


def _format_scope(token: Token) -> str:
    return ", ".join(token.topics) or "all of the system"


def _format_expiry(token: Token) -> str:
    if token.expires_at is None:
        return "never"
    return format_time(token.expires_at) if token.is_valid(system_clock()) else "has ended"

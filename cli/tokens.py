"""`kreisfunk tokens`: tokens for publishing over HTTP."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from cli.options import Json, TokensStack
from cli.output import Exit, fail, format_list, format_time, note, print_result
from cli.settings import TOKENS_FILE, TokenSettings, read_county, read_installation_settings, require_system
from deploy.tokens import TokenFileError, add_token, generate_token, generate_token_id, read_tokens, remove_tokens
from shared.notices.tokens import Token
from shared.runtime.clock import system_clock

_FILE_ADVICE = "It must be intact, and its folder writable for this command."

app = typer.Typer(no_args_is_help=True)


@app.command()
def create(
    system: Annotated[str, typer.Argument(help="A system of the county's file, such as pressestelle.")],
    topic: Annotated[list[str] | None, typer.Option(help="Only for this topic; may be repeated.")] = None,
    days: Annotated[int | None, typer.Option(min=1, max=3660, help="Days of validity; unlimited by default.")] = None,
    json: Json = False,
    stack: TokensStack = None,
) -> None:
    """Create a token and print it. It is shown only this once: only its hash is stored.

    Exit status: 0, 1 the file cannot be read or written, 2 wrong command line or unknown system.
    """
    settings = _read_settings(stack)
    topics, permitted = topic or [], require_system(read_county(settings.county_file), system).topics
    if foreign := [name for name in topics if name not in permitted]:
        fail(f"{system} may not publish about {', '.join(foreign)}.", f"It has {', '.join(permitted)}.", Exit.USAGE)
    text, name, now = generate_token(), generate_token_id(system), system_clock()
    file, expires_at = settings.notices_api_tokens_file, None if days is None else now + timedelta(days=days)
    try:
        token = add_token(file, text, identifier=name, system=system, now=now, topics=topics, expires_at=expires_at)
    except TokenFileError as error:
        fail(str(error), _FILE_ADVICE)
    print_result({**_describe_token(token), "token": text}, text, json=json)
    if not json:
        note(f"Token {token.id}. It is shown only now: hand it over confidentially.")


@app.command("list")
def list_tokens(json: Json = False, stack: TokensStack = None) -> None:
    """List all tokens, without their texts. The API refuses those of systems missing in the county's file."""
    settings = _read_settings(stack)
    county = read_county(settings.county_file)
    try:
        tokens = read_tokens(settings.notices_api_tokens_file)
    except TokenFileError as error:
        fail(str(error))
    rows = []
    for token in tokens:
        expiry = _format_expiry(token) if county.find_system(token.system) else "is refused: no such system"
        topics = ", ".join(token.topics) or "all of the system"
        rows.append((token.id, token.system, topics, format_time(token.created_at), expiry))
    text = format_list(("id", "system", "topics", "created", "ends"), rows, empty="there are no tokens")
    print_result({"tokens": list(map(_describe_token, tokens))}, text, json=json)


@app.command()
def revoke(
    token: Annotated[str | None, typer.Argument(help="Id of the token, from `list`.")] = None,
    system: Annotated[str | None, typer.Option(help="All tokens of this system instead.")] = None,
    json: Json = False,
    stack: TokensStack = None,
) -> None:
    """Revoke a token, with immediate effect.

    Exit status: 0, 1 the file cannot be read or written, 2 wrong command line, 3 there is no such token.
    """
    if (token is None) == (system is None):
        fail("Give the id of a token, or --system.", status=Exit.USAGE)
    settings = _read_settings(stack)
    try:
        file = settings.notices_api_tokens_file
        removed = remove_tokens(file, lambda stored: token == stored.id or system == stored.system)
    except TokenFileError as error:
        fail(str(error), _FILE_ADVICE)
    if not removed:
        fail("There is no such token.", "`kreisfunk tokens list` shows them.", Exit.REJECTED)
    ids = [stored.id for stored in removed]
    print_result({"revoked": ids}, "\n".join(f"revoked {name}" for name in ids), json=json)


def _read_settings(stack: Path | None) -> TokenSettings:
    return read_installation_settings(TokenSettings, stack, TOKENS_FILE, lambda local: local.tokens)


def _describe_token(token: Token) -> dict[str, Any]:
    return {name: value for name, value in msgspec.to_builtins(token).items() if name != "sha256"}


def _format_expiry(token: Token) -> str:
    if token.expires_at is None:
        return "never"
    return format_time(token.expires_at) if token.is_valid(system_clock()) else "has ended"

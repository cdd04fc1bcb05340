"""The commands."""

import os
import secrets
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer

from cli.output import console
from cli.publish.access import chosen_way
from cli.publish.checking import read_events
from cli.publish.moments import parse_duration, parse_moment
from cli.publish.running import Manner, check_all, require_valid, send_all
from cli.publish.ways import ANSWER_SECONDS
from shared.contracts.envelope import encode
from shared.contracts.notices import NoticePublished, NoticeUpdated, NoticeWithdrawn
from shared.runtime.clock import system_clock

USUAL_DURATION = timedelta(hours=24)

Source = Annotated[str | None, typer.Option(help="CloudEvents source; usually that of the login or token.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="End as soon as it is stored, without the answer.")]
Timeout = Annotated[float, typer.Option(min=0.1, max=600, help="Longest wait for the answer, in seconds.")]
Json = Annotated[bool, typer.Option("--json", help="JSON on stdout: one object in a line.")]
Url = Annotated[str | None, typer.Option(help="Over HTTP, to this address; the token is in KREISFUNK_DOOR_TOKEN.")]
Stack = Annotated[
    Path | None, typer.Option(help="Folder of a local stack; else KREISFUNK_BROKER_URL, else .local/up or .local/demo.")
]


def publish(
    file: Annotated[str | None, typer.Argument(help="CloudEvents as JSON, one or a list; - is standard input.")] = None,
    topic: Annotated[str, typer.Option(help="Such as strassensperrungen.")] = "",
    headline: Annotated[str, typer.Option(help="At most 120 characters.")] = "",
    text: Annotated[str, typer.Option(help="At most 800 characters.")] = "",
    link: Annotated[str | None, typer.Option(help="https address to read on.")] = None,
    picture: Annotated[str | None, typer.Option(help="https address of a JPEG or PNG.")] = None,
    municipality: Annotated[list[str] | None, typer.Option(help="Only there; may be repeated.")] = None,
    urgent: Annotated[bool, typer.Option("--urgent", help="Overtakes all that is not urgent.")] = False,
    scheduled_at: Annotated[str | None, typer.Option(help="Nobody gets it earlier: ISO 8601.")] = None,
    expires_in: Annotated[str | None, typer.Option(help="Nobody gets it later: 30m, 12h, 2d; usually 24h.")] = None,
    expires_at: Annotated[str | None, typer.Option(help="The same as date and time in ISO 8601.")] = None,
    spread: Annotated[str | None, typer.Option(help="Not all at once but over this time: 30m, 2h.")] = None,
    follows: Annotated[str | None, typer.Option(help="Id of an earlier notice: only to those who got it.")] = None,
    notice: Annotated[str | None, typer.Option("--notice", "--subject", help="Its id; usually a new one.")] = None,
    revision: Annotated[int, typer.Option(min=1, help="Count up when the same notice changes.")] = 1,
    check: Annotated[bool, typer.Option("--check", help="Say what would become of it; send nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before it is sent.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Show how far it is, until its end.")] = False,
    url: Url = None,
    source: Source = None,
    no_wait: NoWait = False,
    timeout: Timeout = ANSWER_SECONDS,
    json: Json = False,
    stack: Stack = None,
) -> None:
    """Publish a notice to all subscribers of its topic, or to those who got an earlier one.

    From options, or from a file of events. On a terminal it shows how many get it, what it costs and how long it takes,
    and asks before it sends; --yes spares the question. A time without an offset is that of Europe/Berlin.

    By which way: --url (HTTP); else KREISFUNK_BROKER_URL or a local stack (AMQP); else KREISFUNK_DOOR_URL (HTTP).
    The token for HTTP is in a file kreisfunk_door_token in KREISFUNK_SECRETS_DIR, or in KREISFUNK_DOOR_TOKEN.
    What is too much or away over HTTP is tried again as it asks, for up to --timeout.

    Exit status: 0 accepted (--check: valid, --watch: sent), 2 wrong command line or settings, 3 rejected,
    4 Kreisfunk away or access refused, 5 no answer, 6 accepted, but nobody has subscribed to it. With --watch, 1 for
    rejected, cancelled, or failed for everybody, and Ctrl-C ends only the watching.

    Examples:

    \b
    kreisfunk publish --topic baustellen --headline "K 9" --text "Gesperrt." --watch
    kreisfunk publish --check events.json
    kreisfunk publish --url https://kreisfunk.example --json - < event.json
    """
    now = system_clock()
    content: dict[str, Any] = {"topic": topic, "headline": headline, "text": text, "link": link, "picture": picture}
    content |= {"urgent": urgent, "municipalities": tuple(municipality or ()), "scheduled_at": _scheduled(scheduled_at)}
    content |= {"spread_minutes": _minutes(spread), "follows": follows}
    _require_sense(file is not None or bool(topic and headline and text), watch=watch, no_wait=no_wait)
    expiry, message = _expiry(now, expires_in, expires_at), _message(content, revision)
    way = chosen_way(url, stack, source, os.environ)
    manner = Manner(seconds=None if no_wait else timeout, as_json=json, watch=watch)
    if file is not None:
        bodies = read_events(file, source=way.source, now=now)
    else:
        bodies = [_event(message, notice or new_notice_id(now), way.source, now, expiry)]
    if check:
        check_all(way, bodies, now, manner)
        return
    ask = not yes and sys.stdin.isatty() and console.is_terminal
    if file is not None or ask:
        require_valid(way, bodies, now, manner, ask=ask)
    send_all(way, bodies, manner)


def _event(
    message: NoticePublished | NoticeUpdated | NoticeWithdrawn,
    notice: str,
    source: str,
    now: datetime,
    expiry: datetime | None = None,
) -> bytes:
    return encode(message, event_id=str(uuid4()), source=source, time=now, subject=notice, expirytime=expiry)


def _require_sense(something: bool, *, watch: bool, no_wait: bool) -> None:
    if not something:
        raise typer.BadParameter("give a file, or --topic, --headline and --text")
    if watch and no_wait:
        raise typer.BadParameter("give --watch or --no-wait, not both")


def _message(content: dict[str, Any], revision: int) -> NoticePublished | NoticeUpdated:
    return NoticePublished(**content) if revision == 1 else NoticeUpdated(**content, revision=revision)


def _scheduled(moment: str | None) -> datetime | None:
    try:
        return None if moment is None else parse_moment(moment)
    except ValueError as error:
        raise typer.BadParameter(f"scheduled: {error}") from None


def withdraw(
    notice: Annotated[str, typer.Option(help="Id of the notice, as it was published.")],
    reason: Annotated[str, typer.Option(help="For the record; at most 200 characters.")] = "",
    url: Url = None,
    source: Source = None,
    no_wait: NoWait = False,
    timeout: Timeout = ANSWER_SECONDS,
    json: Json = False,
    stack: Stack = None,
) -> None:
    """Withdraw a notice: whoever has not got it will not get it.

    Exit status: as `publish`; 6 means that no such notice is known.
    """
    way = chosen_way(url, stack, source, os.environ)
    body = _event(NoticeWithdrawn(reason=reason), notice, way.source, system_clock())
    send_all(way, [body], Manner(seconds=None if no_wait else timeout, as_json=json))


def new_notice_id(now: datetime) -> str:
    """Sorts by time and is easy to say."""
    return f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def _expiry(now: datetime, expires_in: str | None, expires_at: str | None) -> datetime:
    if expires_in is not None and expires_at is not None:
        raise typer.BadParameter("give --expires-in or --expires-at, not both")
    try:
        if expires_at is not None:
            return parse_moment(expires_at)
        return now + (parse_duration(expires_in) if expires_in is not None else USUAL_DURATION)
    except ValueError as error:
        raise typer.BadParameter(f"expiry: {error}") from None


def _minutes(spread: str | None) -> int | None:
    try:
        return None if spread is None else int(parse_duration(spread).total_seconds() // 60)
    except ValueError as error:
        raise typer.BadParameter(f"spread: {error}") from None

"""The commands."""

import asyncio
import os
import secrets
from collections.abc import Coroutine
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.broker import away_advice, silence_drivers
from cli.output import console, fail
from cli.publish.answers import EXIT_AWAY, EXIT_UNANSWERED, report
from cli.publish.checking import read_events, ready_events, show_check
from cli.publish.moments import parse_duration, parse_moment
from cli.publish.sending import Answer, Event, Sender, Unanswered
from cli.publish.settings import Settings, publisher_settings
from cli.stacks import find_stack
from shared.amqp.publisher import Unroutable
from shared.contracts.notices import NoticePublished, NoticeUpdated, NoticeWithdrawn
from shared.outcome import DependencyAway
from shared.runtime.clock import system_clock

USUAL_DURATION = timedelta(hours=24)
ANSWER_SECONDS = 10.0

Source = Annotated[str | None, typer.Option(help="CloudEvents source; usually that of the login.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="End as soon as the broker has it, without the answer.")]
Timeout = Annotated[float, typer.Option(min=0.1, max=600, help="Longest wait for the answer, in seconds.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
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
    check: Annotated[bool, typer.Option("--check", help="Say what is wrong with it, and send nothing.")] = False,
    source: Source = None,
    no_wait: NoWait = False,
    timeout: Timeout = ANSWER_SECONDS,
    json: Json = False,
    stack: Stack = None,
) -> None:
    """Publish a notice to all subscribers of its topic, or to those who got an earlier one.

    From options, or from a file of events. With --check, status 0 means valid and 3 that it would be rejected.

    Exit status: 0 accepted, 2 wrong command line, 3 rejected, 4 broker away or login refused, 5 no answer.
    """
    now = system_clock()
    content: dict[str, Any] = {
        "topic": topic,
        "headline": headline,
        "text": text,
        "link": link,
        "picture": picture,
        "urgent": urgent,
    }
    content |= {"municipalities": tuple(municipality or ()), "scheduled_at": _scheduled(scheduled_at)}
    content |= {"spread_minutes": _minutes(spread), "follows": follows}
    if file is None and not (topic and headline and text):
        raise typer.BadParameter("give a file, or --topic, --headline and --text")
    expiry, sender, waiting = _expiry(now, expires_in, expires_at), _sender(stack, source), None if no_wait else timeout
    if file is not None:
        bodies = read_events(file, source=sender.source, now=now)
        _publish_file(bodies, sender.settings, now, seconds=waiting, as_json=json, check=check)
        return
    event = Event(message=_message(content, revision), subject=notice or new_notice_id(now), expirytime=expiry)
    if check:
        show_check([sender.body(event, now)], sender.settings, now, as_json=json)
    _send_all([(event, sender.source)], sender.settings, now, seconds=waiting, as_json=json)


def _message(content: dict[str, Any], revision: int) -> NoticePublished | NoticeUpdated:
    return NoticePublished(**content) if revision == 1 else NoticeUpdated(**content, revision=revision)


def _publish_file(
    bodies: list[bytes], settings: Settings, now: datetime, *, seconds: float | None, as_json: bool, check: bool
) -> None:
    if check:
        show_check(bodies, settings, now, as_json=as_json)
    _send_all(ready_events(bodies, settings, now), settings, now, seconds=seconds, as_json=as_json)


def _send_all(
    events: list[tuple[Event, str]], settings: Settings, now: datetime, *, seconds: float | None, as_json: bool
) -> None:
    """One after the other; the first that is rejected ends it."""
    for event, source in events:
        answer = _run(Sender(settings=settings, source=source).send(event, now, seconds=seconds), event.subject)
        report(answer, event.subject, as_json=as_json)


def _scheduled(moment: str | None) -> datetime | None:
    try:
        return None if moment is None else parse_moment(moment)
    except ValueError as error:
        raise typer.BadParameter(f"scheduled: {error}") from None


def withdraw(
    notice: Annotated[str, typer.Option(help="Id of the notice, as it was published.")],
    reason: Annotated[str, typer.Option(help="For the record; at most 200 characters.")] = "",
    source: Source = None,
    no_wait: NoWait = False,
    timeout: Timeout = ANSWER_SECONDS,
    json: Json = False,
    stack: Stack = None,
) -> None:
    """Withdraw a notice: whoever has not got it will not get it.

    Exit status: as `publish`; 5 also means that the notice was not being sent.
    """
    event = Event(message=NoticeWithdrawn(reason=reason), subject=notice)
    sender = _sender(stack, source)
    answer = _run(sender.send(event, system_clock(), seconds=None if no_wait else timeout), notice)
    report(answer, notice, as_json=json)


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


def _sender(stack: Path | None, source: str | None) -> Sender:
    silence_drivers()
    settings = publisher_settings(find_stack(stack, os.environ), os.environ)
    return Sender(settings=settings, source=source or settings.source_or_usual)


def _run(sending: Coroutine[Any, Any, Answer | None], notice: str) -> Answer | None:
    try:
        return asyncio.run(_with_progress(sending))
    except Unanswered as error:
        fail(
            f"notice {notice}: the broker has it, but nobody answered within {error.seconds:g} s.",
            "Does the subscriptions service run? When it does, it acts on it; publishing again is not needed.",
            EXIT_UNANSWERED,
        )
    except Unroutable as error:
        fail(str(error), status=EXIT_AWAY)
    except DependencyAway as error:
        fail(str(error), away_advice(error), EXIT_AWAY)


async def _with_progress(sending: Coroutine[Any, Any, Answer | None]) -> Answer | None:
    if not console.is_terminal:
        return await sending
    with console.status("waiting for the answer"):
        return await sending

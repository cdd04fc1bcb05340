"""`kreisfunk publish` and `kreisfunk withdraw`: publish as a municipal system, by hand or from a script."""

import asyncio
import secrets
import sys
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Annotated, Any

import typer

from cli.options import ANSWER_TIMEOUT_SECONDS, NoticesApiStack
from cli.output import Exit, console, fail, print_step, show_status
from cli.publish.events import (
    build_event,
    parse_expiry,
    parse_option,
    parse_spread,
    read_attribute,
    read_events,
    read_followed,
)
from cli.publish.notices_api import (
    UNCERTAIN_ADVICE,
    NoAnswerError,
    NoticesApiError,
    NoticesApiPublisher,
    find_publisher,
)
from cli.publish.results import CheckedEvent, print_check, print_progress, report
from shared.contracts.notices import NoticePublished, NoticeUpdated, NoticeWithdrawn
from shared.contracts.notices_http import EventProgress, EventState
from shared.notices.time_parsing import parse_moment
from shared.runtime.clock import system_clock

YES = ("y", "yes", "j", "ja")
Source = Annotated[str | None, typer.Option(help="CloudEvents source; usually that of the token.")]
Check = Annotated[bool, typer.Option("--check", help="Show what would happen; send nothing.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Exit once it is stored, without waiting for the answer.")]
Timeout = Annotated[float, typer.Option(min=0.1, max=600, help="Maximum wait for the answer, in seconds.")]
Json = Annotated[bool, typer.Option("--json", help="JSON on stdout: one object in a line.")]
Url = Annotated[str | None, typer.Option(help="Address of the notices API; else KREISFUNK_NOTICES_API_URL.")]


@dataclass(frozen=True, kw_only=True)
class SendOptions:
    """Processing and output of events; `seconds` is the time-out of the first answer, None not to wait."""

    seconds: float | None
    as_json: bool
    check: bool
    watch: bool = False
    may_ask: bool = False
    from_file: bool = False


def publish(
    file: Annotated[str | None, typer.Argument(help="CloudEvents as JSON, one or a list; - is standard input.")] = None,
    topic: Annotated[str, typer.Option(help="Such as strassensperrungen.")] = "",
    headline: Annotated[str, typer.Option(help="At most 120 characters.")] = "",
    text: Annotated[str, typer.Option(help="At most 800 characters.")] = "",
    link: Annotated[str | None, typer.Option(help="https address for further reading.")] = None,
    picture: Annotated[str | None, typer.Option(help="https address of a JPEG or PNG.")] = None,
    municipality: Annotated[list[str] | None, typer.Option(help="Only for this municipality; may be repeated.")] = None,
    urgent: Annotated[bool, typer.Option("--urgent", help="Send before notices that are not urgent.")] = False,
    scheduled_at: Annotated[str | None, typer.Option(help="Start of sending in ISO 8601; by default at once.")] = None,
    expires_in: Annotated[str | None, typer.Option(help="Expires after 30m, 12h, 2d; by default 24h.")] = None,
    expires_at: Annotated[str | None, typer.Option(help="Expiry in ISO 8601, instead of --expires-in.")] = None,
    spread: Annotated[str | None, typer.Option(help="Spread the sending over this time: 30m, 2h.")] = None,
    follows: Annotated[str | None, typer.Option(help="Id of an earlier notice: only to those who got it.")] = None,
    notice: Annotated[str | None, typer.Option(help="Id of the notice; by default a new one.")] = None,
    revision: Annotated[int, typer.Option(min=1, help="Increase it whenever the same notice changes.")] = 1,
    check: Check = False,
    yes: Annotated[bool, typer.Option("--yes", help="Send without asking.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Show the progress until the end.")] = False,
    url: Url = None,
    source: Source = None,
    no_wait: NoWait = False,
    timeout: Timeout = ANSWER_TIMEOUT_SECONDS,
    json: Json = False,
    stack: NoticesApiStack = None,
) -> None:
    """Publish a notice to all subscribers of its topic, or to those who got an earlier one.

    From options, or from a file of events. On a terminal it shows how many people get it, its cost and its duration,
    and asks before it sends; --yes skips the question. A time without an offset is in Europe/Berlin.

    The token is in a file kreisfunk_notices_api_token in KREISFUNK_SECRETS_DIR, or in KREISFUNK_NOTICES_API_TOKEN. A
    request that is rate-limited or finds Kreisfunk unavailable is repeated for up to --timeout.

    Exit status: 0 accepted (--check: valid, --watch: sent), 1 the question was not answered with yes, 2 wrong command
    line or settings, 3 rejected, 4 Kreisfunk unavailable or access refused, 5 no answer, 6 accepted, but it has no
    subscribers, 130 interrupted, perhaps after it was stored. With --watch, 1 also for rejected, cancelled, or failed
    for everybody; Ctrl-C ends only the watching.

    Examples:

    \b
    kreisfunk publish --topic baustellen --headline "K 9" --text "Gesperrt." --watch
    kreisfunk publish --check events.json
    kreisfunk publish --url https://kreisfunk.example --json - < event.json
    """
    times = (scheduled_at, expires_in, expires_at, spread)
    further = (link, picture, municipality, urgent, *times, follows, notice)
    _require_valid_options(file, (topic, headline, text), (*further, revision > 1), watch=watch, no_wait=no_wait)
    now = system_clock()
    content: dict[str, Any] = {"topic": topic, "headline": headline, "text": text, "link": link, "picture": picture}
    content |= {"scheduled_at": parse_option("scheduled", parse_moment, scheduled_at), "urgent": urgent}
    content |= {"municipalities": tuple(municipality or ()), "spread_minutes": parse_spread(spread), "follows": follows}
    message = NoticePublished(**content) if revision == 1 else NoticeUpdated(**content, revision=revision)
    expiry = parse_expiry(now, expires_in, expires_at)
    publisher = find_publisher(url, stack, source)
    if file is None:
        new = f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"  # sorts by time, and is easy to say
        bodies = [build_event(message, new if notice is None else notice, publisher.source, now, expiry)]
    else:
        bodies = read_events(file, source=publisher.source, now=now)
    seconds, from_file = None if no_wait else timeout, file is not None
    options = SendOptions(seconds=seconds, as_json=json, check=check, watch=watch, may_ask=not yes, from_file=from_file)
    _handle_all(publisher, bodies, options)


def _require_valid_options(
    file: str | None, content: Sequence[str], further: Sequence[object], *, watch: bool, no_wait: bool
) -> None:
    if file is None and not all(content):
        raise typer.BadParameter("give a file, or --topic, --headline and --text")
    if watch and no_wait:
        raise typer.BadParameter("give --watch or --no-wait, not both")
    if file is not None and any(content):  # usually the rest of a text without quotation marks
        raise typer.BadParameter(f'unexpected {file}: put quotation marks around a text with spaces, as in --text "…"')
    if file is not None and any(further):
        raise typer.BadParameter("give a file, or options of the notice, not both: the file has all of it")


def withdraw(
    notice: Annotated[str, typer.Option(help="Id of the published notice.")],
    reason: Annotated[str, typer.Option(help="For the record; at most 200 characters.")] = "",
    check: Check = False,
    url: Url = None,
    source: Source = None,
    no_wait: NoWait = False,
    timeout: Timeout = ANSWER_TIMEOUT_SECONDS,
    json: Json = False,
    stack: NoticesApiStack = None,
) -> None:
    """Withdraw a notice: those who have not received it yet will not get it.

    Nothing can be published under its id afterwards, even if no such notice is known: --check shows that first.

    Exit status: as `publish`; 6 means that no such notice is known.
    """
    publisher, now = find_publisher(url, stack, source), system_clock()
    body = build_event(NoticeWithdrawn(reason=reason), notice, publisher.source, now)
    _handle_all(publisher, [body], SendOptions(seconds=None if no_wait else timeout, as_json=json, check=check))


def _handle_all(publisher: NoticesApiPublisher, bodies: Sequence[bytes], options: SendOptions) -> None:
    """Check the events or send them. A file is checked first; on a terminal the user is asked if `may_ask`."""
    ask = options.may_ask and sys.stdin.isatty() and console.is_terminal
    if options.check or options.from_file or ask:
        try:
            checked = asyncio.run(_check_events(publisher, bodies, options.seconds or ANSWER_TIMEOUT_SECONDS))
        except NoticesApiError as error:
            fail(str(error), error.advice, error.status)
        rejected = any(event.problems for event in checked)
        if options.check or rejected:
            status = print_check(checked, as_json=options.as_json)
            raise typer.Exit(Exit.FAILED if options.watch and not options.check else status)
        if ask:
            _confirm(checked)
    _send_all(publisher, bodies, options)


def _confirm(checked: Sequence[CheckedEvent]) -> None:
    """Show the expected result; end the command unless the person agrees."""
    for event in checked:
        console.print(f"notice {read_attribute(event.body, 'subject')}:", *event.lines, sep="\n", markup=False)
    question = "Send it?" if len(checked) == 1 else "Send them?"
    if typer.prompt(f"{question} [y/N]", default="", show_default=False, err=True).strip().lower() not in YES:
        fail("Nothing was sent.")


async def _check_events(publisher: NoticesApiPublisher, bodies: Sequence[bytes], seconds: float) -> list[CheckedEvent]:
    results: list[CheckedEvent] = []
    for body in bodies:
        checked = await publisher.check(body, seconds=seconds)
        # Earlier events of the same file will have been published by then.
        earlier = {read_attribute(result.body, "subject") for result in results}
        notices = {"revision": read_attribute(body, "subject"), "follows": read_followed(body)}
        known = [field for field, notice in notices.items() if notice in earlier]
        results.append(replace(checked, problems=tuple(each for each in checked.problems if each.field not in known)))
    return results


def _send_all(publisher: NoticesApiPublisher, bodies: Sequence[bytes], options: SendOptions) -> None:
    """Send the events in order; end the command at the first that is rejected or fails."""
    status = 0
    for body in bodies:
        if console.is_terminal:
            print_step(f"notice {read_attribute(body, 'subject')}")
        what, advice = _describe_event(body)
        try:
            result = _send(publisher, body, options)
        except KeyboardInterrupt:
            fail(f"Interrupted: {what} may be stored, and then takes effect.", advice, Exit.INTERRUPTED)
        except NoticesApiError as error:
            further = f" {advice}" if error.advice == UNCERTAIN_ADVICE else ""
            fail(f"{what}: {error}", f"{error.advice}{further}", error.status)
        if result not in (0, Exit.NO_EFFECT):
            raise typer.Exit(result)
        status = max(status, result)
    if status:
        raise typer.Exit(status)


def _describe_event(body: bytes) -> tuple[str, str]:
    """Return what the event is, and what to do while it is unknown whether it was stored."""
    notice = read_attribute(body, "subject")
    if read_attribute(body, "type") == NoticeWithdrawn.TYPE:
        return f"the withdrawal of notice {notice}", "Withdrawing it again does no harm."
    command = f"`kreisfunk withdraw --notice {notice} --check`"
    return f"notice {notice}", f"{command} says whether it is known; without --check it withdraws it."


def _send(publisher: NoticesApiPublisher, body: bytes, options: SendOptions) -> int:
    if options.watch and options.seconds is not None:
        return asyncio.run(print_progress(publisher.watch(body, seconds=options.seconds), as_json=options.as_json))
    work = publisher.publish(body) if options.seconds is None else wait_for_answer(publisher, body, options.seconds)
    with show_status("waiting for the answer"):
        answer = asyncio.run(work)
    return report(answer, as_json=options.as_json)


async def wait_for_answer(publisher: NoticesApiPublisher, body: bytes, seconds: float) -> EventProgress:
    """Publish, and return the first progress that is an answer. Raises NoAnswerError."""
    async with aclosing(publisher.watch(body, seconds=seconds)) as updates:
        async for progress in updates:
            if progress.state is not EventState.RECEIVED:
                return progress
    raise NoAnswerError(seconds)

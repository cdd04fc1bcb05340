"""`kreisfunk publish` and `kreisfunk withdraw`: what a municipal system does, by hand or from a script."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from cli.options import ANSWER_TIMEOUT_SECONDS, NoticesApiStack

Source = Annotated[str | None, typer.Option(help="CloudEvents source; usually that of the login or token.")]
Check = Annotated[bool, typer.Option("--check", help="Say what would become of it; send nothing.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="End as soon as it is stored, without the answer.")]
Timeout = Annotated[float, typer.Option(min=0.1, max=600, help="Longest wait for the answer, in seconds.")]
Json = Annotated[bool, typer.Option("--json", help="JSON on stdout: one object in a line.")]
Url = Annotated[str | None, typer.Option(help="Address of the notices API; else KREISFUNK_NOTICES_API_URL.")]


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
    notice: Annotated[str | None, typer.Option(help="Its id; usually a new one.")] = None,
    revision: Annotated[int, typer.Option(min=1, help="Count up when the same notice changes.")] = 1,
    check: Check = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before it is sent.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Show how far it is, until its end.")] = False,
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
    from cli.publish import event_options as options
    from cli.publish.actions import OutputOptions, handle_all
    from cli.publish.notices_api import find_publisher
    from cli.publish.results import read_events
    from shared.runtime.clock import system_clock

    further = (link, picture, municipality, urgent, scheduled_at, expires_in, expires_at, spread, follows, notice)
    _require_valid_options(file, (topic, headline, text), (*further, revision > 1), watch=watch, no_wait=no_wait)
    now = system_clock()
    content: dict[str, Any] = {"topic": topic, "headline": headline, "text": text, "link": link, "picture": picture}
    content |= {"urgent": urgent, "follows": follows, "scheduled_at": options.parse_scheduled_at(scheduled_at)}
    content |= {"municipalities": tuple(municipality or ()), "spread_minutes": options.parse_spread(spread)}
    expiry = options.parse_expiry(now, expires_in, expires_at)
    message = options.build_message(content, revision)
    publisher = find_publisher(url, stack, source)
    output_options = OutputOptions(seconds=None if no_wait else timeout, as_json=json, watch=watch)
    event = options.build_event(message, notice or options.generate_notice_id(now), publisher.source, now, expiry)
    bodies = [event] if file is None else read_events(file, source=publisher.source, now=now)
    handle_all(publisher, bodies, output_options, check=check, may_ask=not yes, from_file=file is not None)


def _require_valid_options(
    file: str | None, content: Sequence[str], further: Sequence[object], *, watch: bool, no_wait: bool
) -> None:
    if file is None and not all(content):
        raise typer.BadParameter("give a file, or --topic, --headline and --text")
    if watch and no_wait:
        raise typer.BadParameter("give --watch or --no-wait, not both")
    if file is not None and any(content):  # usually the rest of a text without quotation marks
        raise typer.BadParameter(f'{file} is beside the options: write --text "…" around what has spaces')
    if file is not None and any(further):
        raise typer.BadParameter("give a file, or options of the notice, not both: the file says all of it")


def withdraw(
    notice: Annotated[str, typer.Option(help="Id of the notice, as it was published.")],
    reason: Annotated[str, typer.Option(help="For the record; at most 200 characters.")] = "",
    check: Check = False,
    url: Url = None,
    source: Source = None,
    no_wait: NoWait = False,
    timeout: Timeout = ANSWER_TIMEOUT_SECONDS,
    json: Json = False,
    stack: NoticesApiStack = None,
) -> None:
    """Withdraw a notice: whoever has not got it will not get it.

    Nothing can be published under its id afterwards, even if no such notice is known: --check looks before.

    Exit status: as `publish`; 6 means that no such notice is known.
    """
    from cli.publish.actions import OutputOptions, handle_all
    from cli.publish.event_options import build_event
    from cli.publish.notices_api import find_publisher
    from shared.contracts.notices import NoticeWithdrawn
    from shared.runtime.clock import system_clock

    publisher = find_publisher(url, stack, source)
    now = system_clock()
    body = build_event(NoticeWithdrawn(reason=reason), notice, publisher.source, now)
    output_options = OutputOptions(seconds=None if no_wait else timeout, as_json=json)
    handle_all(publisher, [body], output_options, check=check, may_ask=False, from_file=False)

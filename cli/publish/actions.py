"""Checking and sending of events, with the exit status for each outcome."""

import asyncio
import sys
from collections.abc import Coroutine, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, NoReturn, TypeVar

import typer

from cli.options import ANSWER_TIMEOUT_SECONDS
from cli.output import Exit, console, fail, print_step, show_status
from cli.publish.notices_api import (
    NoAnswerError,
    NoticesApiError,
    NoticesApiPublisher,
    ProgressUnavailable,
    read_attribute,
)
from cli.publish.results import CheckedEvent, print_check, print_progress, report
from services.ingress.notices.progress import EventProgress, EventState
from shared.contracts.notices import NoticeWithdrawn

T = TypeVar("T")
YES = ("y", "yes", "j", "ja")


@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """Output format, and the time-out of the first answer in seconds (None: do not wait)."""

    seconds: float | None
    as_json: bool
    watch: bool = False


def handle_all(
    publisher: NoticesApiPublisher,
    bodies: Sequence[bytes],
    options: OutputOptions,
    *,
    check: bool,
    may_ask: bool,
    from_file: bool,
) -> None:
    """Check the events or send them. A file is checked first; on a terminal the user is asked if `may_ask`."""
    ask = may_ask and sys.stdin.isatty() and console.is_terminal
    if check or from_file or ask:
        found = run_or_fail(_check_events(publisher, bodies, options))
        if check:
            raise typer.Exit(print_check(found, as_json=options.as_json))
        if any(event.problems for event in found):
            print_check(found, as_json=options.as_json)
            raise typer.Exit(Exit.FAILED if options.watch else Exit.REJECTED)
        if ask:
            _confirm(found)
    send_all(publisher, bodies, options)


def _confirm(found: Sequence[CheckedEvent]) -> None:
    """Show what is expected; end the command if the person does not want it."""
    for event in found:
        console.print(f"notice {read_attribute(event.body, 'subject')}:", *event.lines, sep="\n", markup=False)
    question = "Send it?" if len(found) == 1 else "Send them?"
    if typer.prompt(f"{question} [y/N]", default="", show_default=False, err=True).strip().lower() not in YES:
        fail("Nothing was sent.")


async def _check_events(
    publisher: NoticesApiPublisher, bodies: Sequence[bytes], options: OutputOptions
) -> list[CheckedEvent]:
    seconds = options.seconds or ANSWER_TIMEOUT_SECONDS
    found: list[CheckedEvent] = []
    for body in bodies:
        checked = await publisher.check(body, seconds=seconds)
        if read_attribute(body, "subject") in {read_attribute(earlier.body, "subject") for earlier in found}:
            # Earlier revisions in the same file will have been published by then.
            checked = replace(checked, problems=tuple(each for each in checked.problems if each.field != "revision"))
        found.append(checked)
    return found


def send_all(publisher: NoticesApiPublisher, bodies: Sequence[bytes], options: OutputOptions) -> None:
    """Send the events in order; the first that is rejected or fails ends the command."""
    status = 0
    for body in bodies:
        if console.is_terminal:
            print_step(f"notice {read_attribute(body, 'subject')}")
        try:
            ended = _send(publisher, body, options)
        except KeyboardInterrupt:
            _fail_interrupted(body)
        if ended not in (0, Exit.NO_EFFECT):
            raise typer.Exit(ended)
        status = max(status, ended)
    if status:
        raise typer.Exit(status)


def _fail_interrupted(body: bytes) -> NoReturn:
    """End the command after Ctrl-C: nobody knows whether the event was stored before."""
    notice = read_attribute(body, "subject")
    if read_attribute(body, "type") == NoticeWithdrawn.TYPE:
        problem, advice = f"the withdrawal of notice {notice}", "Withdrawing it again does no harm."
    else:
        problem = f"notice {notice}"
        look = f"`kreisfunk withdraw --notice {notice} --check`"
        advice = f"{look} says whether it is known; without --check it takes it back."
    fail(f"Interrupted: {problem} may be stored, and is acted on then.", advice, Exit.INTERRUPTED)


def _send(publisher: NoticesApiPublisher, body: bytes, options: OutputOptions) -> int:
    if options.watch and options.seconds is not None:
        return run_or_fail(print_progress(publisher.watch(body, seconds=options.seconds), as_json=options.as_json))
    waiting = publisher.publish(body) if options.seconds is None else wait_for_answer(publisher, body, options.seconds)
    with show_status("waiting for the answer"):
        answer = run_or_fail(waiting)
    return report(answer, as_json=options.as_json)


async def wait_for_answer(publisher: NoticesApiPublisher, body: bytes, seconds: float) -> EventProgress:
    """Publish, and return the first progress that is an answer. Raises NoAnswerError."""
    async with aclosing(publisher.watch(body, seconds=seconds)) as updates:
        async for progress in updates:
            if progress.state is not EventState.RECEIVED:
                return progress
    raise NoAnswerError(seconds)


def run_or_fail(work: Coroutine[Any, Any, T]) -> T:
    """Return the result of `work`; on an error, explain it and end the command with its status."""
    try:
        return asyncio.run(work)
    except NoAnswerError as error:
        fail(
            f"The notice is stored (the broker has it), but nobody answered within {error.seconds:g} s.",
            "Does the subscriptions service run? When it does, it acts on it; publishing again is not needed.",
            Exit.NO_ANSWER,
        )
    except ProgressUnavailable as error:
        fail(
            f"The notice is stored, but what becomes of it cannot be read. {error}",
            "Publishing again is not needed.",
            Exit.NO_ANSWER,
        )
    except NoticesApiError as error:
        fail(str(error), error.advice, Exit.UNAVAILABLE)

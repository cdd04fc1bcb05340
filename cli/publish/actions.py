"""Checking and sending of events, with the exit status for each outcome."""

import asyncio
import sys
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

import typer

from cli.broker import explain_broker_error
from cli.options import ANSWER_TIMEOUT_SECONDS
from cli.output import (
    EXIT_FAILED,
    EXIT_NO_ANSWER,
    EXIT_NO_EFFECT,
    EXIT_REJECTED,
    EXIT_UNAVAILABLE,
    console,
    fail,
    show_status,
)
from cli.publish.amqp_client import NoAnswerError
from cli.publish.checks import CheckedEvent, print_check
from cli.publish.http_client import NoticesApiError, ProgressUnavailable, read_attribute
from cli.publish.results import Answer, print_progress, report
from cli.publish.transports import Transport
from shared.outcome import DependencyUnavailable, Unroutable

T = TypeVar("T")
YES = ("y", "yes", "j", "ja")


@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """Output format, and the time-out of the first answer in seconds (None: do not wait)."""

    seconds: float | None
    as_json: bool
    watch: bool = False


def _check_all(transport: Transport, bodies: Sequence[bytes], now: datetime, options: OutputOptions) -> None:
    """Print what would become of the events; exit with 3 if any is invalid, with 6 if one would have no effect."""
    if status := print_check(run_or_fail(_check_events(transport, bodies, now, options)), as_json=options.as_json):
        raise typer.Exit(status)


def handle_all(
    transport: Transport,
    bodies: Sequence[bytes],
    now: datetime,
    options: OutputOptions,
    *,
    check: bool,
    may_ask: bool,
    from_file: bool,
) -> None:
    """Check the events or send them. A file is checked first; on a terminal the user is asked if `may_ask`."""
    if check:
        _check_all(transport, bodies, now, options)
        return
    ask = may_ask and sys.stdin.isatty() and console.is_terminal
    if from_file or ask:
        _require_valid(transport, bodies, now, options, ask=ask)
    send_all(transport, bodies, options)


def _require_valid(
    transport: Transport, bodies: Sequence[bytes], now: datetime, options: OutputOptions, *, ask: bool
) -> None:
    """End the command before anything is sent if an event is invalid, or if the person declines when we `ask`."""
    found = run_or_fail(_check_events(transport, bodies, now, options))
    if any(event.problems for event in found):
        print_check(found, as_json=options.as_json)
        raise typer.Exit(EXIT_FAILED if options.watch else EXIT_REJECTED)
    if ask:
        for event in found:
            console.print(f"notice {read_attribute(event.body, 'subject')}:", *event.lines, sep="\n", markup=False)
        question = "Send it?" if len(found) == 1 else "Send them?"
        if typer.prompt(f"{question} [y/N]", default="", show_default=False, err=True).strip().lower() not in YES:
            fail("Nothing was sent.")


async def _check_events(
    transport: Transport, bodies: Sequence[bytes], now: datetime, options: OutputOptions
) -> list[CheckedEvent]:
    seconds = options.seconds or ANSWER_TIMEOUT_SECONDS
    found: list[CheckedEvent] = []
    for body in bodies:
        checked = await transport.check(body, now, seconds=seconds)
        if read_attribute(body, "subject") in {read_attribute(earlier.body, "subject") for earlier in found}:
            # Earlier revisions in the same file will have been published by then.
            checked = replace(checked, problems=tuple(each for each in checked.problems if each.field != "revision"))
        found.append(checked)
    return found


def send_all(transport: Transport, bodies: Sequence[bytes], options: OutputOptions) -> None:
    """Send the events in order; the first that is rejected or fails ends the command."""
    status = 0
    for body in bodies:
        ended = _send(transport, body, options)
        if ended not in (0, EXIT_NO_EFFECT):
            raise typer.Exit(ended)
        status = max(status, ended)
    if status:
        raise typer.Exit(status)


def _send(transport: Transport, body: bytes, options: OutputOptions) -> int:
    if options.watch and options.seconds is not None:
        return run_or_fail(print_progress(transport.watch(body, seconds=options.seconds), as_json=options.as_json))
    answer = run_or_fail(_wait_with_spinner(transport.send(body, seconds=options.seconds)))
    return report(answer, read_attribute(body, "subject"), as_json=options.as_json)


def run_or_fail(work: Coroutine[Any, Any, T]) -> T:
    """Return the result of `work`; on an error, explain it and end the command with its status."""
    try:
        return asyncio.run(work)
    except NoAnswerError as error:
        fail(
            f"The notice is stored (the broker has it), but nobody answered within {error.seconds:g} s.",
            "Does the subscriptions service run? When it does, it acts on it; publishing again is not needed.",
            EXIT_NO_ANSWER,
        )
    except ProgressUnavailable as error:
        fail(
            f"The notice is stored, but what becomes of it cannot be read. {error}",
            "Publishing again is not needed.",
            EXIT_NO_ANSWER,
        )
    except NoticesApiError as error:
        fail(str(error), error.advice, EXIT_UNAVAILABLE)
    except Unroutable as error:
        fail(str(error), status=EXIT_UNAVAILABLE)
    except DependencyUnavailable as error:
        fail(str(error), explain_broker_error(error), EXIT_UNAVAILABLE)


async def _wait_with_spinner(sending: Coroutine[Any, Any, Answer | None]) -> Answer | None:
    with show_status("waiting for the answer"):
        return await sending

"""What the commands do with their events, and how they end."""

import asyncio
import sys
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

import typer

from cli.broker import away_advice
from cli.options import ANSWER_SECONDS
from cli.output import EXIT_AWAY, EXIT_FAILED, EXIT_NO_EFFECT, EXIT_REJECTED, EXIT_UNANSWERED, console, fail
from cli.publish.answers import report
from cli.publish.checking import CheckedEvent, show_check
from cli.publish.door import DoorFailed, Unwatched
from cli.publish.plain import text_in
from cli.publish.sending import Answer, Unanswered
from cli.publish.ways import Way
from shared.outcome import DependencyAway, Unroutable

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How long the first answer may take (None: nobody waits), and how it is told."""

    seconds: float | None
    as_json: bool
    watch: bool = False


def _check_all(way: Way, bodies: Sequence[bytes], now: datetime, manner: Manner) -> None:
    """Say what would become of them; status 3 if anything is wrong, 6 if one would have no effect."""
    if status := show_check(run(_checked(way, bodies, now, manner)), as_json=manner.as_json):
        raise typer.Exit(status)


def handle_all(
    way: Way, bodies: Sequence[bytes], now: datetime, manner: Manner, *, check: bool, may_ask: bool, from_file: bool
) -> None:
    """Check or send them. On a terminal we ask before, if we may; what stands in a file is checked in any case."""
    if check:
        _check_all(way, bodies, now, manner)
        return
    ask = may_ask and sys.stdin.isatty() and console.is_terminal
    if from_file or ask:
        _require_valid(way, bodies, now, manner, ask=ask)
    send_all(way, bodies, manner)


def _require_valid(way: Way, bodies: Sequence[bytes], now: datetime, manner: Manner, *, ask: bool) -> None:
    """End the command before any is sent, if one of them is wrong, or a person does not want it when we `ask`."""
    found = run(_checked(way, bodies, now, manner))
    if any(event.problems for event in found):
        show_check(found, as_json=manner.as_json)
        raise typer.Exit(EXIT_FAILED if manner.watch else EXIT_REJECTED)
    if ask:
        for event in found:
            console.print(f"notice {text_in(event.body, 'subject')}:", *event.lines, sep="\n", markup=False)
        typer.confirm("Send it?" if len(found) == 1 else "Send them?", abort=True, err=True)


async def _checked(way: Way, bodies: Sequence[bytes], now: datetime, manner: Manner) -> list[CheckedEvent]:
    seconds = manner.seconds or ANSWER_SECONDS
    found: list[CheckedEvent] = []
    for body in bodies:
        checked = await way.check(body, now, seconds=seconds)
        if text_in(body, "subject") in {text_in(earlier.body, "subject") for earlier in found}:
            # What comes earlier in the same file will have been published by then.
            checked = replace(checked, problems=tuple(each for each in checked.problems if each.field != "revision"))
        found.append(checked)
    return found


def send_all(way: Way, bodies: Sequence[bytes], manner: Manner) -> None:
    """One after the other; the first that is rejected or fails ends it."""
    status = 0
    for body in bodies:
        ended = _send(way, body, manner)
        if ended not in (0, EXIT_NO_EFFECT):
            raise typer.Exit(ended)
        status = max(status, ended)
    if status:
        raise typer.Exit(status)


def _send(way: Way, body: bytes, manner: Manner) -> int:
    if manner.watch and manner.seconds is not None:
        # Here, since whoever does not watch needs no bar.
        from cli.publish.watching import show

        return run(show(way.watch(body, seconds=manner.seconds), as_json=manner.as_json))
    answer = run(_with_spinner(way.send(body, seconds=manner.seconds)))
    return report(answer, text_in(body, "subject"), as_json=manner.as_json)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Its result; what went wrong is said, with its status."""
    try:
        return asyncio.run(work)
    except Unanswered as error:
        fail(
            f"The notice is stored (the broker has it), but nobody answered within {error.seconds:g} s.",
            "Does the subscriptions service run? When it does, it acts on it; publishing again is not needed.",
            EXIT_UNANSWERED,
        )
    except Unwatched as error:
        fail(
            f"The notice is stored, but what becomes of it cannot be read. {error}",
            "Publishing again is not needed.",
            EXIT_UNANSWERED,
        )
    except DoorFailed as error:
        fail(str(error), error.advice, EXIT_AWAY)
    except Unroutable as error:
        fail(str(error), status=EXIT_AWAY)
    except DependencyAway as error:
        fail(str(error), away_advice(error), EXIT_AWAY)


async def _with_spinner(sending: Coroutine[Any, Any, Answer | None]) -> Answer | None:
    if not console.is_terminal:
        return await sending
    with console.status("waiting for the answer"):
        return await sending

"""Output of a notice's progress until its end."""

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import msgspec
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from cli.output import EXIT_FAILED, EXIT_NO_EFFECT, console, say
from cli.publish.results import append_blockers, format_plan, has_no_effect
from services.ingress.notices.progress import EventProgress, EventState

WAITING = ("waiting", "claimed")
REACHED = ("accepted", "sent", "delivered", "read", "unknown")
GOOD = (EventState.FINISHED, EventState.DONE)


async def print_progress(updates: AsyncIterator[EventProgress], *, as_json: bool) -> int:
    """Print each change, with a bar on a terminal, and return the exit status of the last."""
    last: EventProgress | None = None
    with _open_bar() as (bars, task):
        async for progress in updates:
            bars.update(
                task,
                description=f"{progress.state}{_format_limit(progress)}",
                total=progress.audience,
                completed=count_handled(progress),
            )
            if (
                as_json
                or not console.is_terminal
                or last is None
                or _get_display_state(progress) != _get_display_state(last)
            ):
                say(msgspec.json.encode(progress).decode() if as_json else format_line(progress))
            last = progress
    return compute_exit_status(last) if last else EXIT_FAILED


def compute_exit_status(last: EventProgress) -> int:
    """Return the exit status of a finished event; also failed if no message reached anybody."""
    if last.state not in GOOD:
        return EXIT_FAILED
    if has_no_effect(last):
        return EXIT_NO_EFFECT
    reached = last.state is EventState.DONE or any(last.states.get(state) for state in REACHED)
    return 0 if reached else EXIT_FAILED


def count_handled(progress: EventProgress) -> int:
    """Count the people who no longer wait."""
    return sum(count for state, count in progress.states.items() if state not in WAITING)


def format_line(progress: EventProgress) -> str:
    """Format one line, and one more for each problem or blocker."""
    head = f"{progress.state}: notice {progress.notice}"
    match progress.state:
        case EventState.ACCEPTED | EventState.SCHEDULED:
            return append_blockers(head + format_plan(progress), progress)
        case EventState.DONE:
            return append_blockers(
                f"not withdrawn: notice {progress.notice}" if has_no_effect(progress) else head, progress
            )
        case EventState.SENDING:
            audience = "?" if progress.audience is None else progress.audience
            return f"{head}, {count_handled(progress)} of {audience}{_format_limit(progress)}"
        case EventState.FINISHED:
            states = ", ".join(f"{count} {state}" for state, count in progress.states.items() if count)
            return f"{head}, {progress.audience or 0} people{f': {states}' if states else ''}"
        case EventState.CANCELLED:
            return f"{head}{f': {progress.reason}' if progress.reason else ''}"
        case _:
            return "\n".join((head, *(f"  {problem.field}: {problem.problem}" for problem in progress.problems)))


def _format_limit(progress: EventProgress) -> str:
    """Format the number of people waiting for Meta's limit for one person, if any."""
    waiting = progress.person_limited
    return f"; {waiting} {'waits' if waiting == 1 else 'wait'} for Meta's limit for one person" if waiting else ""


def _get_display_state(progress: EventProgress) -> tuple[EventState, bool]:
    """Return the part of the state whose change is printed on a terminal; the bar shows the rest."""
    return progress.state, progress.person_limited > 0


@contextmanager
def _open_bar() -> Iterator[tuple[Bars, TaskID]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    shown = console.is_terminal
    # Redirected output has to stay on stdout while the bar is on the terminal.
    with Bars(
        *columns, console=console, disable=not shown, transient=True, redirect_stdout=sys.stdout.isatty()
    ) as bars:
        yield bars, bars.add_task("received", total=None)

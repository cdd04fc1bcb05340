"""What a person or a script sees of a notice until its end."""

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import msgspec
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from cli.output import console, say
from services.ingress.door.domain.progress import Progress, State

WAITING = ("waiting", "claimed")
GOOD = (State.FINISHED, State.DONE)


async def show(told: AsyncIterator[Progress], *, as_json: bool) -> bool:
    """Each change on stdout, and a bar on a terminal; whether it ended well."""
    last: Progress | None = None
    with _bar() as (bars, task):
        async for progress in told:
            bars.update(task, description=progress.state, total=progress.audience, completed=handled(progress))
            if as_json or not console.is_terminal or last is None or progress.state is not last.state:
                say(msgspec.json.encode(progress).decode() if as_json else as_line(progress))
            last = progress
    return last is not None and last.state in GOOD


def handled(progress: Progress) -> int:
    """How many people do not wait any more."""
    return sum(count for state, count in progress.states.items() if state not in WAITING)


def as_line(progress: Progress) -> str:
    """One line; one more for each problem, and for each reason why it goes later."""
    head = f"{progress.state}: notice {progress.notice}"
    match progress.state:
        case State.ACCEPTED | State.SCHEDULED:
            return "\n".join((head + _plan(progress), *(f"  {blocker}" for blocker in progress.blockers)))
        case State.SENDING:
            return f"{head}, {handled(progress)} of {'?' if progress.audience is None else progress.audience}"
        case State.FINISHED:
            states = ", ".join(f"{count} {state}" for state, count in progress.states.items() if count)
            return f"{head}, {progress.audience or 0} people{f': {states}' if states else ''}"
        case State.CANCELLED:
            return f"{head}{f': {progress.reason}' if progress.reason else ''}"
        case _:
            return "\n".join((head, *(f"  {problem.field}: {problem.problem}" for problem in progress.problems)))


def _plan(progress: Progress) -> str:
    parts = [f" revision {progress.revision}, broadcast {progress.broadcast}"]
    if progress.audience is not None:
        parts.append(f"{progress.audience} people")
    parts += [f"{euros} euros ({category})" for category, euros in progress.costs.items()]
    if progress.duration_seconds is not None:
        parts.append(f"about {progress.duration_seconds} s")
    if progress.scheduled_at is not None:
        parts.append(f"begins {progress.scheduled_at.isoformat()}")
    return ", ".join(parts)


@contextmanager
def _bar() -> Iterator[tuple[Bars, TaskID]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    shown = console.is_terminal
    # What goes to a file has to stay on stdout while the bar is on the terminal.
    with Bars(
        *columns, console=console, disable=not shown, transient=True, redirect_stdout=sys.stdout.isatty()
    ) as bars:
        yield bars, bars.add_task("received", total=None)

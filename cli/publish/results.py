"""The answer to an event and its progress, as text or JSON."""

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from cli.output import EXIT_FAILED, EXIT_NO_EFFECT, EXIT_REJECTED, console, print_result
from services.ingress.notices.progress import EventProgress, EventState
from shared.contracts.events import BroadcastCancelled, NoticeAccepted, NoticeAction, NoticeChecked, NoticeRejected
from shared.notices.cloudevents import LOCAL_ZONE

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

WAITING = ("waiting", "claimed")
REACHED = ("accepted", "sent", "delivered", "read", "unknown")
GOOD = (EventState.FINISHED, EventState.DONE)
Answer = NoticeAccepted | NoticeRejected | BroadcastCancelled
NoticeStatus = NoticeAccepted | NoticeChecked | EventProgress


def report(answer: Answer | None, notice: str, *, as_json: bool) -> int:
    """Print the answer and return its exit status."""
    print_result(build_json(answer, notice), format_text(answer, notice), json=as_json)
    if isinstance(answer, NoticeRejected):
        return EXIT_REJECTED
    return EXIT_NO_EFFECT if isinstance(answer, NoticeAccepted) and has_no_effect(answer) else 0


def has_no_effect(status: NoticeStatus) -> bool:
    """Return whether the notice has no subscribers, or there is none to withdraw."""
    return status.revision == 0 if status.action is NoticeAction.WITHDRAWN else status.audience == 0


def format_text(answer: Answer | None, notice: str) -> str:
    """Format one line, and one more for each problem."""
    match answer:
        case None:
            return f"published: notice {notice}"
        case NoticeAccepted(action=NoticeAction.WITHDRAWN):
            result = "not withdrawn" if has_no_effect(answer) else "withdrawn"
            return append_blockers(f"{result}: notice {answer.notice}", answer)
        case NoticeAccepted():
            return append_blockers(f"accepted: notice {answer.notice}{format_plan(answer)}", answer)
        case NoticeRejected():
            problems = (f"  {problem.field}: {problem.problem}" for problem in answer.problems)
            return "\n".join((f"rejected: notice {notice}", *problems))
        case BroadcastCancelled():
            return f"withdrawn: notice {answer.notice}, broadcast {answer.broadcast}"


def build_json(answer: Answer | None, notice: str) -> dict[str, Any]:
    """Return the answer as a JSON object; `result` names its kind."""
    match answer:
        case None:
            return {"result": "published", "notice": notice}
        case NoticeAccepted(action=NoticeAction.WITHDRAWN):
            result = "unknown" if has_no_effect(answer) else "withdrawn"
            return {"result": result, **msgspec.to_builtins(answer)}
        case NoticeAccepted():
            return {"result": "accepted", **msgspec.to_builtins(answer)}
        case NoticeRejected():
            problems = [msgspec.to_builtins(problem) for problem in answer.problems]
            return {"result": "rejected", "notice": notice, "event": answer.event, "problems": problems}
        case BroadcastCancelled():
            return {"result": "withdrawn", **msgspec.to_builtins(answer)}


def append_blockers(line: str, status: NoticeStatus) -> str:
    """Return the line, and one more for each reason why it is delayed or reaches fewer people."""
    return "\n".join((line, *(f"  {blocker}" for blocker in status.blockers)))


def format_plan(status: NoticeAccepted | EventProgress) -> str:
    """Format the expected figures of the broadcast, to follow the notice's id."""
    return ", ".join((f" revision {status.revision}, broadcast {status.broadcast}", *format_figures(status)))


def format_figures(status: NoticeStatus) -> list[str]:
    """Return audience, costs, duration and beginning, as far as they are known."""
    parts = []
    if status.audience is not None:
        parts.append(f"{status.audience} people")
    parts += [f"{euros} euros ({category})" for category, euros in status.costs.items()]
    if status.duration_seconds is not None:
        parts.append(f"about {status.duration_seconds} s")
    if status.scheduled_at is not None:
        parts.append(f"begins {status.scheduled_at.astimezone(LOCAL_ZONE).isoformat()}")
    return parts


async def print_progress(updates: AsyncIterator[EventProgress], *, as_json: bool) -> int:
    """Print each change, with a bar on a terminal, and return the exit status of the last."""
    last: EventProgress | None = None
    with _open_bar() as (bars, task):
        async for progress in updates:
            text = f"{progress.state}{_format_limit(progress)}"
            bars.update(task, description=text, total=progress.audience, completed=count_handled(progress))
            same = last is not None and _get_display_state(progress) == _get_display_state(last)
            if as_json or not (console.is_terminal and same):
                print_result(progress, format_line(progress), json=as_json)
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
def _open_bar() -> "Iterator[tuple[Progress, TaskID]]":
    from cli.progress import build_bars  # only watching needs it

    # Redirected output has to stay on stdout while the bar is on the terminal.
    with build_bars(transient=True, redirect_stdout=sys.stdout.isatty()) as bars:
        yield bars, bars.add_task("received", total=None)

"""Output about events: the result of a check, the answer, the progress."""

import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from cli.output import Exit, console, format_problems, format_time, print_result
from cli.progress import build_bars
from shared.contracts.events import Problem
from shared.contracts.notices_http import CheckResult, EventProgress, EventState

WAITING = ("waiting", "claimed")
REACHED = ("accepted", "sent", "delivered", "read", "unknown")
RESULTS = {EventState.RECEIVED: "published", EventState.REJECTED: "rejected", EventState.DONE: "withdrawn"}
GOOD = (EventState.FINISHED, EventState.DONE)
NoticeStatus = CheckResult | EventProgress
ANSWER_FIELDS = (
    *("source", "notice", "revision", "action", "broadcast", "audience", "costs", "duration_seconds", "blockers"),
    *("scheduled_at", "expires_at", "topic", "headline", "reason", "problems"),
)


@dataclass(frozen=True, kw_only=True)
class CheckedEvent:
    """An event with its problems, or else the expected result."""

    body: bytes
    problems: tuple[Problem, ...] = ()
    expected: CheckResult | None = None

    @property
    def lines(self) -> list[str]:
        if self.expected is None:
            return [f"  {problem}" for problem in format_problems(self.problems)]
        expiry = self.expected.expires_at
        until = [f"expires {format_time(expiry)}"] if expiry else []
        figures = ", ".join((*format_figures(self.expected, self.expected.begins_at), *until))
        return [f"  {line}" for line in (figures, *self.expected.blockers) if line]


def print_check(checked: Sequence[CheckedEvent], *, as_json: bool) -> int:
    """Print the problems or the expected result of each event, and return the exit status. Nothing was sent.

    The JSON looks like a rejection by Kreisfunk; of several events, each problem has the index of its event, from 0.
    """
    rejected = any(event.problems for event in checked)
    problems = [
        msgspec.to_builtins(problem) | ({"event": number} if len(checked) > 1 else {})
        for number, event in enumerate(checked)
        for problem in event.problems
    ]
    lines = []
    for number, event in enumerate(checked, 1):
        lines += [
            f"event {number}: {'would be rejected' if event.problems else 'valid; nothing was sent'}",
            *event.lines,
        ]
    expected = [event.expected for event in checked]
    result = {"result": "rejected" if rejected else "valid", "problems": problems, "expected": expected}
    print_result(result, "\n".join(lines), json=as_json)
    if rejected:
        return Exit.REJECTED
    return Exit.NO_EFFECT if any(check and has_no_effect(check) for check in expected) else 0


def report(answer: EventProgress, *, as_json: bool) -> int:
    print_result(build_json(answer), format_text(answer), json=as_json)
    if answer.state is EventState.REJECTED:
        return Exit.REJECTED
    return Exit.NO_EFFECT if has_no_effect(answer) else 0


def has_no_effect(status: NoticeStatus) -> bool:
    """Return whether the notice has no subscribers, or there is no notice to withdraw."""
    return 0 in (status.revision, status.audience)


def _derive_result(answer: EventProgress) -> str:
    if answer.state is EventState.DONE and has_no_effect(answer):
        return "unknown"
    return RESULTS.get(answer.state, "accepted")


def format_text(answer: EventProgress) -> str:
    """Format one line, and one more for each problem or blocker."""
    result = _derive_result(answer)
    line = f"{'not withdrawn' if result == 'unknown' else result}: notice {answer.notice}"
    if result == "accepted":
        line += format_plan(answer)
    return append_details(line, answer)


def build_json(answer: EventProgress) -> dict[str, Any]:
    """Return the answer as a JSON object; `result` is its outcome in one word."""
    values = msgspec.to_builtins(answer)
    fields = {name: values[name] for name in ANSWER_FIELDS if name in values}
    return {"result": _derive_result(answer), "event": answer.id, **fields}


def append_details(line: str, status: EventProgress) -> str:
    """Return the line, and one more for each problem, and each reason why it is delayed or reaches fewer people."""
    return "\n  ".join((line, *format_problems(status.problems), *status.blockers))


def format_plan(status: EventProgress) -> str:
    """Format the expected figures of the broadcast, to follow the notice's id."""
    begin = f" revision {status.revision}, broadcast {status.broadcast}"
    return ", ".join((begin, *format_figures(status, status.scheduled_at)))


def format_figures(status: NoticeStatus, begins_at: datetime | None) -> list[str]:
    """Return audience, costs, duration and beginning, as far as they are known."""
    parts = []
    if status.audience is not None:
        parts.append(f"{status.audience} people")
    parts += [f"{euros} euros ({category})" for category, euros in status.costs.items()]
    if status.duration_seconds is not None:
        parts.append(f"about {status.duration_seconds} s")
    if begins_at is not None:
        parts.append(f"begins {format_time(begins_at)}")
    return parts


async def print_progress(updates: AsyncIterator[EventProgress], *, as_json: bool) -> int:
    """Print each change, with a bar on a terminal, and return the exit status of the last."""
    last: EventProgress | None = None
    state: tuple[object, ...] = ()
    # Redirected output has to stay on stdout while the bar is on the terminal.
    with build_bars(transient=True, redirect_stdout=sys.stdout.isatty()) as bars:
        task = bars.add_task("received", total=None)
        async for progress in updates:
            text = f"{progress.state}{_format_limit(progress)}"
            bars.update(task, description=text, total=progress.audience, completed=count_handled(progress))
            last, previous_state, state = progress, state, (progress.state, progress.person_limited > 0)
            if as_json or not console.is_terminal or state != previous_state:  # the bar shows the rest
                print_result(progress, format_line(progress), json=as_json)
    return compute_exit_status(last) if last else Exit.FAILED


def compute_exit_status(last: EventProgress) -> int:
    """Return the exit status of a finished event; also failed if no message reached anybody."""
    if last.state not in GOOD:
        return Exit.FAILED
    if has_no_effect(last):
        return Exit.NO_EFFECT
    reached = last.state is EventState.DONE or any(last.states.get(state) for state in REACHED)
    return 0 if reached else Exit.FAILED


def count_handled(progress: EventProgress) -> int:
    return sum(count for state, count in progress.states.items() if state not in WAITING)


def format_line(progress: EventProgress) -> str:
    """Format one line, and one more for each problem or blocker."""
    head = f"{progress.state}: notice {progress.notice}"
    match progress.state:
        case EventState.ACCEPTED | EventState.SCHEDULED:
            return append_details(head + format_plan(progress), progress)
        case EventState.DONE if has_no_effect(progress):
            return append_details(f"not withdrawn: notice {progress.notice}", progress)
        case EventState.SENDING:
            audience = "?" if progress.audience is None else progress.audience
            return f"{head}, {count_handled(progress)} of {audience}{_format_limit(progress)}"
        case EventState.FINISHED:
            states = ", ".join(f"{count} {state}" for state, count in progress.states.items() if count)
            return f"{head}, {progress.audience or 0} people{f': {states}' if states else ''}"
        case EventState.CANCELLED:
            return f"{head}{f': {progress.reason}' if progress.reason else ''}"
        case _:
            return append_details(head, progress)


def _format_limit(progress: EventProgress) -> str:
    """Format the number of people waiting for Meta's limit for one person, if any."""
    waiting = progress.person_limited
    return f"; {waiting} {'waits' if waiting == 1 else 'wait'} for Meta's limit for one person" if waiting else ""

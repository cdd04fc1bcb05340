"""The answer to an event, as text or JSON."""

from typing import Any

import msgspec

from cli.output import EXIT_NO_EFFECT, EXIT_REJECTED, say
from cli.publish.amqp_client import Answer
from services.ingress.notices.progress import EventProgress
from shared.contracts.events import BroadcastCancelled, NoticeAccepted, NoticeAction, NoticeChecked, NoticeRejected
from shared.notices.cloudevents import LOCAL_ZONE

NoticeStatus = NoticeAccepted | NoticeChecked | EventProgress


def report(answer: Answer | None, notice: str, *, as_json: bool) -> int:
    """Print the answer and return its exit status."""
    say(msgspec.json.encode(build_json(answer, notice)).decode() if as_json else format_text(answer, notice))
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

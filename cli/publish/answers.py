"""What became of an event, for a person or for a script."""

from typing import Any

import msgspec

from cli.output import EXIT_NO_EFFECT, EXIT_REJECTED, say
from cli.publish.sending import Answer
from services.ingress.door.domain.progress import Progress
from shared.contracts.events import BroadcastCancelled, NoticeAccepted, NoticeAction, NoticeChecked, NoticeRejected
from shared.municipal.reading import LOCAL_ZONE

Told = NoticeAccepted | NoticeChecked | Progress


def report(answer: Answer | None, notice: str, *, as_json: bool) -> int:
    """Print it and return its exit status."""
    say(msgspec.json.encode(as_object(answer, notice)).decode() if as_json else as_text(answer, notice))
    if isinstance(answer, NoticeRejected):
        return EXIT_REJECTED
    return EXIT_NO_EFFECT if isinstance(answer, NoticeAccepted) and has_no_effect(answer) else 0


def has_no_effect(told: Told) -> bool:
    """Whether nobody subscribes to the notice, or there is none to withdraw."""
    return told.revision == 0 if told.action is NoticeAction.WITHDRAWN else told.audience == 0


def as_text(answer: Answer | None, notice: str) -> str:
    """One line, and one more for each problem."""
    match answer:
        case None:
            return f"published: notice {notice}"
        case NoticeAccepted(action=NoticeAction.WITHDRAWN):
            result = "not withdrawn" if has_no_effect(answer) else "withdrawn"
            return with_blockers(f"{result}: notice {answer.notice}", answer)
        case NoticeAccepted():
            return with_blockers(f"accepted: notice {answer.notice}{plan_of(answer)}", answer)
        case NoticeRejected():
            problems = (f"  {problem.field}: {problem.problem}" for problem in answer.problems)
            return "\n".join((f"rejected: notice {notice}", *problems))
        case BroadcastCancelled():
            return f"withdrawn: notice {answer.notice}, broadcast {answer.broadcast}"


def as_object(answer: Answer | None, notice: str) -> dict[str, Any]:
    """The same for scripts; `result` says which."""
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


def with_blockers(line: str, told: Told) -> str:
    """The line, and one more for each reason why it goes later or to fewer."""
    return "\n".join((line, *(f"  {blocker}" for blocker in told.blockers)))


def plan_of(told: NoticeAccepted | Progress) -> str:
    """What is expected of the sending-out, to stand behind the notice."""
    return ", ".join((f" revision {told.revision}, broadcast {told.broadcast}", *figures_of(told)))


def figures_of(told: Told) -> list[str]:
    """Audience, price, duration and beginning, as far as they are known."""
    parts = []
    if told.audience is not None:
        parts.append(f"{told.audience} people")
    parts += [f"{euros} euros ({category})" for category, euros in told.costs.items()]
    if told.duration_seconds is not None:
        parts.append(f"about {told.duration_seconds} s")
    if told.scheduled_at is not None:
        parts.append(f"begins {told.scheduled_at.astimezone(LOCAL_ZONE).isoformat()}")
    return parts

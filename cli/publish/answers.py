"""What became of an event, for a person or for a script."""

from typing import Any

import msgspec
import typer

from cli.output import say
from cli.publish.sending import Answer
from shared.contracts.events import BroadcastCancelled, NoticeAccepted, NoticeAction, NoticeRejected

EXIT_REJECTED = 3
EXIT_AWAY = 4
EXIT_UNANSWERED = 5


def report(answer: Answer | None, notice: str, *, as_json: bool) -> None:
    """Print it, and end with its exit status."""
    say(msgspec.json.encode(as_object(answer, notice)).decode() if as_json else as_text(answer, notice))
    if isinstance(answer, NoticeRejected):
        raise typer.Exit(EXIT_REJECTED)


def as_text(answer: Answer | None, notice: str) -> str:
    """One line, and one more for each problem."""
    match answer:
        case None:
            return f"published: notice {notice}"
        case NoticeAccepted(action=NoticeAction.WITHDRAWN):
            return f"withdrawn: notice {answer.notice}"
        case NoticeAccepted():
            return f"accepted: notice {answer.notice} revision {answer.revision}, broadcast {answer.broadcast}"
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
            return {"result": "withdrawn", **msgspec.to_builtins(answer)}
        case NoticeAccepted():
            return {"result": "accepted", **msgspec.to_builtins(answer)}
        case NoticeRejected():
            problems = [msgspec.to_builtins(problem) for problem in answer.problems]
            return {"result": "rejected", "notice": notice, "event": answer.event, "problems": problems}
        case BroadcastCancelled():
            return {"result": "withdrawn", **msgspec.to_builtins(answer)}

"""Output of a poll, for a terminal or for a script."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from services.feeds.polling import PollResult

RESULT_TEXTS = {
    "published": "published",
    "updated": "updated",
    "withdrawn": "withdrawn",
    "followed_up": "followed up",
    "drafted": "kept as a draft",
    "too_many": "kept as a draft, since they were too many at once",
    "marked": "marked as known",
    "known": "known",
    "changed": "changed, not updated",
    "left_out": "left out by rule",
    "old": "too old",
    "broken": "broken",
    "refused": "refused by our rules",
}


def format_lines(poll: PollResult) -> list[str]:
    """Format one line, and one more for each field with a problem."""
    if poll.failed:
        return [f"{poll.name}: cannot be read: {poll.detail or poll.result}"]
    if poll.result != "new":
        return [f"{poll.name}: {poll.result}"]
    counts = [f"{count} {RESULT_TEXTS.get(name, name.replace('_', ' '))}" for name, count in _sort_counts(poll.counts)]
    lines = [f"{poll.name}: {', '.join(counts) or 'nothing in it'}"]
    for subject, problems in poll.problems.items():
        lines += [f"  {subject}: {problem.field}: {problem.problem}" for problem in problems]
    return lines


def _sort_counts(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    order = list(RESULT_TEXTS)
    counted = [(name, count) for name, count in counts.items() if count]
    return sorted(counted, key=lambda pair: order.index(pair[0]) if pair[0] in order else len(order))


def build_json(polls: Sequence[PollResult]) -> list[dict[str, Any]]:
    """Build the output for scripts."""
    return [
        {
            "name": poll.name,
            "result": poll.result,
            "detail": poll.detail,
            "entries": dict(_sort_counts(poll.counts)),
            "problems": {subject: msgspec.to_builtins(found) for subject, found in poll.problems.items()},
        }
        for poll in polls
    ]

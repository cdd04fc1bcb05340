"""Results of `feeds check` and of a poll, as text and for scripts."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from cli.output import format_problems, format_time
from services.feeds.dry_run import DryRunResult
from services.feeds.polling import PollResult
from shared.notices.time_parsing import parse_moment

RESULT_TEXTS = {
    "published": "published",
    "updated": "updated",
    "withdrawn": "withdrawn",
    "followed_up": "followed up",
    "drafted": "kept as a draft",
    "too_many": "kept as a draft, since they were too many at once",
    "perhaps_known": "kept as a draft, since they may have been there before",
    "not_kept": "marked as known, since too many drafts wait",
    "marked": "marked as known",
    "known": "known",
    "changed": "changed, not updated",
    "left_out": "left out by rule",
    "old": "too old",
    "surplus": "not looked at, since the feed is too long",
    "broken": "broken",
    "refused": "refused by our rules",
}


def _format_result(result: str) -> str:
    return RESULT_TEXTS.get(result, result.replace("_", " "))


def format_dry_run(tried: Sequence[DryRunResult]) -> str:
    """Format one line for each entry, and one more for each event and each problem."""
    return "\n".join(line for one in tried for line in _format_entry(one)) or "nothing in it"


def _format_entry(tried: DryRunResult) -> Iterator[str]:
    yield f"{_format_result(tried.result)}: {tried.title}"
    for event in tried.events:
        data, expiry = event["data"], event.get("expirytime")
        until = f", until {format_time(parse_moment(expiry))}" if expiry else ""
        yield f"  {data.get('topic', 'withdrawal')}: {data.get('headline', '')}{until}"
    for problem in format_problems(tried.problems):
        yield f"  {problem}"


def format_lines(poll: PollResult) -> list[str]:
    """Format one line, and one more for each field with a problem."""
    if not poll.succeeded:
        return [f"{poll.name}: cannot be read: {poll.detail or poll.result}"]
    if poll.result != "new":
        return [f"{poll.name}: {poll.result}"]
    counts = [f"{count} {_format_result(name)}" for name, count in _sort_counts(poll.counts).items()]
    problems = [
        f"  {subject}: {problem}" for subject, several in poll.problems.items() for problem in format_problems(several)
    ]
    return [f"{poll.name}: {', '.join(counts) or 'nothing in it'}", *problems]


def _sort_counts(counts: Mapping[str, int]) -> dict[str, int]:
    """Return what was counted, in the order of the texts."""
    return {name: counts[name] for name in dict.fromkeys((*RESULT_TEXTS, *counts)) if counts.get(name)}


def build_json(polls: Sequence[PollResult]) -> list[dict[str, Any]]:
    return [
        {
            "name": poll.name,
            "result": poll.result,
            "detail": poll.detail,
            "entries": _sort_counts(poll.counts),
            "problems": {subject: msgspec.to_builtins(found) for subject, found in poll.problems.items()},
        }
        for poll in polls
    ]

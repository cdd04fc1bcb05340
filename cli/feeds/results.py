"""Results of `feeds check`, and the output of a poll."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import typer

from cli.feeds.setup import open_rules
from cli.output import Exit, fail, format_time, print_result
from services.feeds.decisions import PublisherIdentity
from services.feeds.dry_run import DryRunError, DryRunResult, RulesNotChosen, evaluate_input, read_input
from services.feeds.polling import PollResult
from shared.notices.time_parsing import parse_moment
from shared.runtime.clock import system_clock
from shared.runtime.logs import configure_logs

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


def show_dry_run(target: str, by: str | None, file: Path | None, *, as_json: bool) -> None:
    """Print the result for each entry, and end the command with its status."""
    rules, county = open_rules(file)
    configure_logs(service="feeds", level="error")
    place = PublisherIdentity(system=rules.system, source=rules.source, county=county, now=system_clock())
    try:
        tried = evaluate_input(read_input(target, rules), rules, by, place)
    except DryRunError as error:
        fail(str(error), status=Exit.USAGE if isinstance(error, RulesNotChosen) else Exit.FAILED)
    print_result({"entries": tried}, format_dry_run(tried), json=as_json)
    if not all(one.is_fine for one in tried):
        raise typer.Exit(Exit.REJECTED)


def format_dry_run(tried: Sequence[DryRunResult]) -> str:
    """Format one line for each entry, and one more for each event and each problem."""
    return "\n".join(line for one in tried for line in _format_entry(one)) or "nothing in it"


def _format_entry(tried: DryRunResult) -> Iterator[str]:
    yield f"{RESULT_TEXTS.get(tried.result, tried.result.replace('_', ' '))}: {tried.title}"
    for event in tried.events:
        data = event["data"]
        expiry = _format_expiry(event.get("expirytime"))
        yield f"  {data.get('topic', 'withdrawal')}: {data.get('headline', '')}{expiry}"
    for problem in tried.problems:
        yield f"  {problem.field}: {problem.problem}"


def _format_expiry(expirytime: str | None) -> str:
    return f", until {format_time(parse_moment(expirytime))}" if expirytime else ""


def format_lines(poll: PollResult) -> list[str]:
    """Format one line, and one more for each field with a problem."""
    if not poll.succeeded:
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

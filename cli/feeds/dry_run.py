"""Output of `feeds check`."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import typer

from cli.feeds.poll_output import RESULT_TEXTS
from cli.feeds.setup import open_rules
from cli.output import EXIT_REJECTED, fail, print_result
from services.feeds.decisions import PublisherIdentity
from services.feeds.dry_run import DryRunError, DryRunResult, evaluate_input, read_input
from shared.runtime.clock import system_clock
from shared.runtime.logs import configure_logs


def show_dry_run(target: str, by: str | None, file: Path | None, *, as_json: bool) -> None:
    """Print the result for each entry, and end the command with its status."""
    rules, county = open_rules(file)
    configure_logs(service="feeds", level="error")
    place = PublisherIdentity(system=rules.system, source=rules.source, county=county, now=system_clock())
    try:
        tried = evaluate_input(asyncio.run(read_input(target, rules)), rules, by, place)
    except DryRunError as error:
        fail(str(error))
    print_result({"entries": tried}, format_dry_run(tried), json=as_json)
    if not all(one.is_fine for one in tried):
        raise typer.Exit(EXIT_REJECTED)


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
    return f", until {expirytime}" if expirytime else ""

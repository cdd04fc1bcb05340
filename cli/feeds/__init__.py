"""`kreisfunk feeds`: notices from the feeds of the county's website and from public warnings."""

import asyncio
from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Annotated, Any

import msgspec
import typer

from cli.feeds import drafts
from cli.feeds.setup import FeedsFolder, FeedsRules, open_folder, open_parts, open_rules, open_settings
from cli.options import Json, NoticesApiStack
from cli.output import Exit, fail, format_problems, format_table, format_time, note, print_result
from services.feeds.__main__ import run_service
from services.feeds.configuration import FeedOrigin, FeedsFile
from services.feeds.decisions import PublisherIdentity
from services.feeds.dry_run import DryRunError, DryRunResult, RulesNotChosen, evaluate_input, read_input
from services.feeds.folder import FolderInUse, StateDamaged, StateFolder, list_files
from services.feeds.polling import PollResult
from services.feeds.wiring import FeedComponents
from shared.notices.time_parsing import parse_moment
from shared.runtime.clock import system_clock
from shared.runtime.logs import configure_logs
from shared.runtime.notices_api import NoticesApiUnavailable

_COLUMNS = ("name", "kind", "topic", "mode", "every", "failures", "known", "unpublished", "unanswered", "refused")
RESULT_TEXTS = {
    "published": "published",
    "updated": "updated",
    "withdrawn": "withdrawn",
    "followed_up": "followed up",
    "drafted": "kept as a draft",
    "too_many": "kept as a draft: too many at once",
    "perhaps_known": "kept as a draft: may not be new",
    "not_kept": "marked as known: too many drafts wait",
    "marked": "marked as known",
    "known": "known",
    "changed": "changed, not updated",
    "left_out": "left out by rule",
    "old": "too old",
    "surplus": "skipped: the feed is too long",
    "broken": "broken",
    "refused": "refused by our rules",
}

app = typer.Typer(no_args_is_help=True)
app.add_typer(drafts.app, name="drafts")


@app.command()
def once(
    file: FeedsRules = None,
    folder: FeedsFolder = None,
    wait: Annotated[float, typer.Option(min=0, max=600, help="Maximum wait for Kreisfunk's answers in s.")] = 5.0,
    json: Json = False,
    stack: NoticesApiStack = None,
) -> None:
    """Poll all feeds and warnings once and publish what is new.

    Exit status: 0 all polled, 1 something could not be read or was rejected, 2 wrong command line or configuration,
    4 Kreisfunk unavailable or token refused (what was found is kept, and published next time), 5 published, but
    answers could not be read.
    """
    parts = open_parts(stack, file, folder)
    try:
        with parts.folder.lock():
            polls, rejected, is_read = asyncio.run(_poll_all(parts, wait))
    except FolderInUse as error:
        fail(str(error), status=Exit.USAGE)
    except NoticesApiUnavailable as error:
        fail(f"Not published: {error}.", "New entries are kept, and published next time.", Exit.UNAVAILABLE)
    lines = [line for poll in polls for line in format_lines(poll)]
    lines += [
        f"{name}: {number} rejected by Kreisfunk; see `kreisfunk feeds drafts list`"
        for name, number in rejected.items()
    ]
    print_result({"origins": _build_json(polls), "rejected": rejected}, "\n".join(lines), json=json)
    if rejected or not all(poll.succeeded for poll in polls):
        raise typer.Exit(Exit.FAILED)
    if not is_read:
        raise typer.Exit(Exit.NO_ANSWER)


async def _poll_all(parts: FeedComponents, wait: float) -> tuple[list[PollResult], Counter[str], bool]:
    """Return the polls, the rejected events per origin, and whether answers could be read.

    Raises NoticesApiUnavailable unless everything is published.
    """
    refused_before = parts.folder.list_refused()
    async with parts.open_publisher() as publisher:
        async with parts.open_pollers(publisher) as pollers:
            polls = [await poller.poll() for poller in pollers]
        try:
            await publisher.wait_for_answers(wait)
        except NoticesApiUnavailable as error:
            note(f"New entries are published, but answers cannot be read: {error}.")
            return polls, _count_new(parts, refused_before), False
    return polls, _count_new(parts, refused_before), True


def _count_new(parts: FeedComponents, before: Container[str]) -> Counter[str]:
    """Return the number of events refused since then per origin."""
    return Counter(refused.origin for name, refused in parts.folder.list_refused().items() if name not in before)


@app.command("list")
def list_origins(file: FeedsRules = None, folder: FeedsFolder = None, json: Json = False) -> None:
    """List the feeds and warnings, their state, and what needs attention: drafts and refused events.

    Exit status: 0, 2 wrong command line or configuration.
    """
    rules, _ = open_rules(file)
    state_folder = open_folder(folder)
    try:
        origins = list(_describe_origins(rules, state_folder))
    except StateDamaged as error:
        fail(str(error), status=Exit.USAGE)
    names = {name: [path.stem for path in list_files(state_folder.path / name)] for name in ("drafts", "refused")}
    rows = [[origin[name] or "by rule" if name == "topic" else origin[name] for name in _COLUMNS] for origin in origins]
    numbers = " and ".join(f"{len(listed)} {name}" for name, listed in names.items())
    text = f"{format_table(_COLUMNS, rows)}\n{numbers}: see `kreisfunk feeds drafts list`"
    print_result({"origins": origins, **names}, text, json=json)


def _describe_origins(file: FeedsFile, folder: StateFolder) -> Iterator[dict[str, Any]]:
    """Yield each origin: `unpublished` events have yet to be published, `unanswered` ones await Kreisfunk's answer.

    `failures` counts the failed polls since the last success. Raises StateDamaged.
    """
    unanswered = [sent.origin for sent in folder.list_unanswered()]
    refused = [refused.origin for refused in folder.list_refused().values()]
    for origin in file.origins:
        state, is_feed = folder.read_state(origin.name), isinstance(origin, FeedOrigin)
        yield {
            "name": origin.name,
            "kind": "feed" if is_feed else "alerts",
            "where": origin.url or ("" if isinstance(origin, FeedOrigin) else origin.files or ""),
            **{name: getattr(origin, name) for name in ("topic", "mode", "every")},
            "failures": state.failures,
            "known": len(state.entries) if is_feed else len(state.alerts),
            "unpublished": len(state.pending),
            "unanswered": unanswered.count(origin.name),
            "refused": refused.count(origin.name),
        }


@app.command()
def check(
    target: Annotated[str, typer.Argument(help="A file, an address, or - for standard input: a feed or an alert.")],
    origin: Annotated[str | None, typer.Option("--rules", help="Use the rules of this feed or these alerts.")] = None,
    file: FeedsRules = None,
    json: Json = False,
) -> None:
    """Show what would happen to each entry if it arrived now and were new. Stores and sends nothing.

    Exit status: 0 all fine, 1 it cannot be read, 2 wrong command line or configuration, 3 something in it is broken or
    would be refused.
    """
    rules, county = open_rules(file)
    configure_logs(service="feeds", level="error")
    publisher = PublisherIdentity(system=rules.system, source=rules.source, county=county, now=system_clock())
    try:
        results = evaluate_input(read_input(target, rules), rules, origin, publisher)
    except DryRunError as error:
        fail(str(error), status=Exit.USAGE if isinstance(error, RulesNotChosen) else Exit.FAILED)
    print_result({"entries": results}, _format_dry_run(results), json=json)
    if not all(result.is_fine for result in results):
        raise typer.Exit(Exit.REJECTED)


@app.command()
def run(file: FeedsRules = None, folder: FeedsFolder = None, stack: NoticesApiStack = None) -> None:
    """Poll all feeds and warnings until SIGTERM or Ctrl-C, and publish what is new.

    `/readyz` and `/metrics` are on the internal port. Exit status: 0 ended, 2 configuration.
    """
    run_service(open_settings(stack, file, folder))


def _format_result(result: str) -> str:
    return RESULT_TEXTS.get(result, result.replace("_", " "))


def _format_dry_run(results: Sequence[DryRunResult]) -> str:
    """Format one line for each entry, and one more for each event and each problem."""
    return "\n".join(line for result in results for line in _format_entry(result)) or "nothing in it"


def _format_entry(entry: DryRunResult) -> Iterator[str]:
    yield f"{_format_result(entry.result)}: {entry.title}"
    for event in entry.events:
        data, expiry = event["data"], event.get("expirytime")
        until = f", until {format_time(parse_moment(expiry))}" if expiry else ""
        yield f"  {data.get('topic', 'withdrawal')}: {data.get('headline', '')}{until}"
    for problem in format_problems(entry.problems):
        yield f"  {problem}"


def format_lines(poll: PollResult) -> list[str]:
    """Format one line, and one more for each field with a problem."""
    if not poll.succeeded:
        return [f"{poll.name}: cannot be read: {poll.detail or poll.result}"]
    if poll.result != "new":
        return [f"{poll.name}: {poll.result}"]
    counts = [f"{count} {_format_result(name)}" for name, count in _sort_counts(poll.counts).items()]
    problems = [
        f"  {subject}: {problem}" for subject, found in poll.problems.items() for problem in format_problems(found)
    ]
    return [f"{poll.name}: {', '.join(counts) or 'nothing in it'}", *problems]


def _sort_counts(counts: Mapping[str, int]) -> dict[str, int]:
    """Return the positive counts, in the order of the texts."""
    return {name: counts[name] for name in dict.fromkeys((*RESULT_TEXTS, *counts)) if counts.get(name)}


def _build_json(polls: Sequence[PollResult]) -> list[dict[str, Any]]:
    return [
        {
            "name": poll.name,
            "result": poll.result,
            "detail": poll.detail,
            "entries": _sort_counts(poll.counts),
            "problems": {subject: msgspec.to_builtins(problems) for subject, problems in poll.problems.items()},
        }
        for poll in polls
    ]

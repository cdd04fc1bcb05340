"""Output of `feeds list`. Needs neither a broker nor the web."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cli.feeds.setup import open_folder, open_rules
from cli.output import EXIT_USAGE, fail, format_table, print_result
from services.feeds.configuration import AlertOrigin, FeedOrigin, FeedsFile
from services.feeds.state import StateDamaged, StateFolder, list_files

_COLUMNS = ("name", "kind", "topic", "mode", "every", "failures", "known", "unpublished", "unanswered", "refused")


def show_overview(file: Path | None, folder: Path | None, *, as_json: bool) -> None:
    """Print the overview; end the command with status 2 if a file cannot be read."""
    rules, _ = open_rules(file)
    try:
        found = build_overview(rules, open_folder(folder))
    except StateDamaged as error:
        fail(str(error), status=EXIT_USAGE)
    print_result(found, format_overview(found), json=as_json)


def build_overview(file: FeedsFile, folder: StateFolder) -> dict[str, Any]:
    """Describe all origins, and the files that need an operator: `drafts` and `refused`. Raises StateDamaged."""
    return {
        "origins": list(_describe_origins(file, folder)),
        "drafts": [path.stem for path in list_files(folder.drafts)],
        "refused": [path.stem for path in list_files(folder.refused)],
    }


def _describe_origins(file: FeedsFile, folder: StateFolder) -> Iterator[dict[str, Any]]:
    """Yield each origin: `unpublished` events have to reach the broker, `unanswered` ones wait for Kreisfunk.

    `failures` are the polls that failed since the last that did not.
    """
    unanswered = [sent.origin for sent in folder.list_unanswered()]
    refused = [refused.origin for refused in folder.list_refused().values()]
    origins: tuple[FeedOrigin | AlertOrigin, ...] = (*file.feeds, *file.alerts)
    for origin in origins:
        memory = folder.read_state(origin.name)
        is_feed = isinstance(origin, FeedOrigin)
        yield {
            "name": origin.name,
            "kind": "feed" if is_feed else "alerts",
            "where": origin.url or ("" if isinstance(origin, FeedOrigin) else origin.files or ""),
            "topic": origin.topic,
            "mode": origin.mode,
            "every": origin.every,
            "failures": memory.failures,
            "known": len(memory.entries) if is_feed else len(memory.alerts),
            "unpublished": len(memory.pending),
            "unanswered": unanswered.count(origin.name),
            "refused": refused.count(origin.name),
        }


def format_overview(found: dict[str, Any]) -> str:
    """Format the overview for a terminal."""
    described = [{**origin, "topic": origin["topic"] or "by rule"} for origin in found["origins"]]
    rows = [[origin[name] for name in _COLUMNS] for origin in described]
    waits = f"{len(found['drafts'])} drafts and {len(found['refused'])} refused: see `kreisfunk feeds drafts list`"
    return "\n".join((format_table(_COLUMNS, rows) if rows else "nothing is read", waits))

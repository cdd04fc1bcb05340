"""What `feeds list` shows. Nothing here needs a broker or the web."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from cli.feeds.configuration import AlertOrigin, FeedOrigin, FeedsFile
from cli.feeds.folder import Folder, MemoryDamaged, files_in
from cli.feeds.opening import open_folder, open_rules
from cli.operate.tables import table
from cli.output import EXIT_USAGE, fail, say

_COLUMNS = ("name", "kind", "topic", "mode", "every", "known", "unpublished", "unanswered", "refused")


class Known(Struct, frozen=True, kw_only=True):
    """One feed, or one place of alerts. `unpublished` waits for the broker, `unanswered` for Kreisfunk's word."""

    name: str
    kind: str
    where: str
    topic: str | None
    mode: str
    every: str
    known: int
    unpublished: int
    unanswered: int
    refused: int


class Overview(Struct, frozen=True, kw_only=True):
    """All of them; `drafts` and `refused` are the files that wait for somebody."""

    origins: tuple[Known, ...]
    drafts: tuple[str, ...]
    refused: tuple[str, ...]


def show_overview(file: Path | None, folder: Path | None, *, as_json: bool) -> None:
    """Print it. Ends the command with status 2 if a file cannot be read."""
    rules, _ = open_rules(file)
    try:
        found = overview(rules, open_folder(folder))
    except MemoryDamaged as error:
        fail(str(error), status=EXIT_USAGE)
    say(msgspec.json.encode(found).decode() if as_json else overview_text(found))


def overview(file: FeedsFile, folder: Folder) -> Overview:
    """As of now. Raises MemoryDamaged."""
    return Overview(
        origins=tuple(_known(file, folder)),
        drafts=tuple(path.stem for path in files_in(folder.drafts)),
        refused=tuple(path.stem for path in files_in(folder.refused)),
    )


def _known(file: FeedsFile, folder: Folder) -> Iterator[Known]:
    unanswered = [sent.origin for sent in folder.unanswered()]
    refused = [refused.origin for refused in folder.refusals().values()]
    origins: tuple[FeedOrigin | AlertOrigin, ...] = (*file.feeds, *file.alerts)
    for origin in origins:
        memory = folder.memory(origin.name)
        is_feed = isinstance(origin, FeedOrigin)
        yield Known(
            name=origin.name,
            kind="feed" if is_feed else "alerts",
            where=origin.url or ("" if isinstance(origin, FeedOrigin) else origin.files or ""),
            topic=origin.topic,
            mode=origin.mode,
            every=origin.every,
            known=len(memory.entries) if is_feed else len(memory.alerts),
            unpublished=len(memory.pending),
            unanswered=unanswered.count(origin.name),
            refused=refused.count(origin.name),
        )


def overview_text(found: Overview) -> str:
    """For a person."""
    rows = [
        (
            *(each.name, each.kind, each.topic or "by rule", each.mode, each.every),
            *(each.known, each.unpublished, each.unanswered, each.refused),
        )
        for each in found.origins
    ]
    waits = f"{len(found.drafts)} drafts and {len(found.refused)} refused: see `kreisfunk feeds drafts list`"
    return "\n".join((table(_COLUMNS, rows) if rows else "nothing is read", waits))

"""State of one origin, and the folder whose files survive a kill: state, drafts, and refused events."""

import fcntl
import hashlib
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Raw, Struct

from services.feeds.files import build_file_name, get_modified_at, write_atomically
from services.feeds.unaccepted import NoticeStatus, UnacceptedNotices
from shared.contracts.envelope import read_envelope
from shared.contracts.events import Problem

RETENTION = timedelta(days=400)
MAX_KNOWN = 10_000
Known = TypeVar("Known")


class EventDestination(StrEnum):
    """Destination of an event."""

    DIRECT = "direct"
    DRAFT = "draft"


class PendingEvent(Struct, frozen=True, kw_only=True):
    """An event stored before it is delivered, so that a kill neither loses nor doubles it."""

    way: EventDestination
    event: Raw


class KnownEntry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An entry already evaluated: `revision` 0 means never published, `seen` is its last day in the feed.

    `broken_since` is when the link to an alert was first found to lead to something else.
    """

    digest: str
    seen: date
    revision: int = 0
    broken_since: datetime | None = None


class PublishedWarning(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A warning that became a notice, with all its updates; `follow_ups` are notices to its recipients only.

    `lapsed` is one that is over because an update had expired: nobody was told, and a cancellation may follow.
    """

    subject: str
    topic: str
    headline: str
    urgent: bool
    seen: date
    said: str = ""
    way: EventDestination = EventDestination.DIRECT
    revision: int = 1
    follow_ups: tuple[str, ...] = ()
    over: bool = False
    lapsed: bool = False

    def is_first(self, pending: PendingEvent) -> bool:
        """Return whether the event is the first revision of the notice."""
        return read_envelope(bytes(pending.event)).id == f"{self.subject}:1"


class OriginState(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """State of one origin. `alerts` maps each known alert to the key of its warning, "" if it has none.

    `overtaken` has those of them that are known only from an alert that refers to them; their warning is that of it.
    What was seen last is last in `entries`, `alerts` and `warnings`; `forgot` is the last day on which an entry was
    dropped because there were too many. The validators `etag` and `last_modified` belong to `address`.
    """

    polled: bool = False
    address: str | None = None
    etag: str | None = None
    last_modified: str | None = None
    not_before: datetime | None = None
    failures: int = 0
    forgot: date | None = None
    entries: dict[str, KnownEntry] = {}
    alerts: dict[str, tuple[date, str]] = {}
    warnings: dict[str, PublishedWarning] = {}
    overtaken: frozenset[str] = frozenset()
    pending: tuple[PendingEvent, ...] = ()

    def drop_old_entries(self, today: date, current: int) -> "OriginState":
        """Return a copy without what has not been seen for RETENTION, and without the oldest beyond MAX_KNOWN.

        `current` is the number of entries or alerts in this poll: they are the newest, and all are kept.
        """
        oldest, number = today - RETENTION, MAX_KNOWN + current
        recent = {key: known for key, known in self.entries.items() if known.seen >= oldest}
        alerts = _keep_last({key: seen for key, seen in self.alerts.items() if seen[0] >= oldest}, number)
        warnings = {key: warned for key, warned in self.warnings.items() if warned.seen >= oldest}
        entries = _keep_last(recent, number)
        before = self.forgot if self.forgot is not None and self.forgot >= oldest else None
        return msgspec.structs.replace(
            self,
            entries=entries,
            alerts=alerts,
            overtaken=self.overtaken.intersection(alerts),
            warnings=_keep_last(dict(sorted(warnings.items(), key=lambda pair: not pair[1].over)), number),
            forgot=today if len(entries) < len(recent) else before,
        )

    def with_pending(self, *pending: PendingEvent) -> "OriginState":
        return msgspec.structs.replace(self, pending=(*self.pending, *pending))


def put_last(known: dict[str, Known], key: str, value: Known) -> None:
    """Store the value as the one that was seen last."""
    known.pop(key, None)
    known[key] = value


def _keep_last(known: dict[str, Known], number: int) -> dict[str, Known]:
    return dict(islice(known.items(), max(0, len(known) - number), None))


def hash_parts(*parts: str) -> str:
    """Return 80 bits of a hash: enough to distinguish the entries of a website."""
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(4, "big") + encoded)
    return digest.hexdigest()[:20]


_DRAFT_LEAVES_OUT = ("source",)


class FolderInUse(Exception):
    """Raised when another process uses the folder."""


class StateDamaged(Exception):
    """Raised when a state file was changed by something else; the text says which and what to do."""


class SentEvent(Struct, frozen=True, kw_only=True):
    """A published event without an answer yet; `origin` is its feed."""

    origin: str
    event: Raw


class RefusedEvent(Struct, frozen=True, kw_only=True):
    """An event that was not delivered to anybody, with the reasons."""

    problems: tuple[Problem, ...]
    event: Raw
    origin: str = ""


Kept = TypeVar("Kept", SentEvent, RefusedEvent)


@dataclass(frozen=True)
class StateFolder:
    """Folder with `memory/<name>.json`, `unaccepted`, and one file per event in `drafts`, `sent` and `refused`.

    Every file is replaced atomically: it is complete or absent.
    """

    path: Path

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Lock the folder; the kernel releases the lock if the process dies. Raises FolderInUse."""
        self.path.mkdir(parents=True, exist_ok=True)
        with open(self.path / "lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise FolderInUse(f"{self.path} is used by another `kreisfunk feeds`; end it first") from None
            yield

    def read_state(self, name: str) -> OriginState:
        """Return the state of an origin, an empty one if there is none. Raises StateDamaged."""
        path = self._build_state_path(name)
        try:
            return msgspec.json.decode(path.read_bytes(), type=OriginState)
        except FileNotFoundError:
            return OriginState()
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise StateDamaged(f"{path}: {error}. The runbook FeedFailing says what to do.") from None

    def save_state(self, name: str, memory: OriginState) -> None:
        """Write the state; it is on disk when this returns."""
        write_atomically(self._build_state_path(name), msgspec.json.encode(memory))

    def save_draft(self, event: bytes) -> Path:
        """Store a draft without our source, as another system may publish it."""
        envelope = read_envelope(event)
        fields: dict[str, object] = msgspec.json.decode(event)
        draft = {name: value for name, value in fields.items() if name not in _DRAFT_LEAVES_OUT}
        path = self.drafts / build_file_name(envelope.id)
        write_atomically(path, msgspec.json.format(msgspec.json.encode(draft), indent=2) + b"\n")
        return path

    def count_drafts(self, origin: str) -> int:
        """Return the number of drafts of this origin that wait."""
        of_origin = re.compile(rf"{re.escape(origin)}-[0-9a-f]{{20}}\.")
        return sum(of_origin.match(path.name) is not None for path in self.drafts.glob("*.json"))

    def save_refused(self, event: bytes, problems: tuple[Problem, ...], origin: str) -> None:
        """Store an event that Kreisfunk refused, with the reasons."""
        path = self.refused / build_file_name(read_envelope(event).id)
        kept = msgspec.json.encode(RefusedEvent(problems=problems, event=Raw(event), origin=origin))
        write_atomically(path, msgspec.json.format(kept, indent=2) + b"\n")

    def save_sent(self, origin: str, event: bytes) -> None:
        """Store an event before it is published: from then on its answer may arrive."""
        path = self._build_sent_path(read_envelope(event).id)
        write_atomically(path, msgspec.json.encode(SentEvent(origin=origin, event=Raw(event))))

    def mark_answered(self, event_id: str) -> None:
        """Remove the file of an answered event; the state still contains the entry."""
        path = self._build_sent_path(event_id)
        self.unaccepted.forget(path.stem)
        path.unlink(missing_ok=True)

    def mark_rejected(self, event_id: str, problems: tuple[Problem, ...]) -> str | None:
        """Move a rejected event to the refused ones, with the reasons.

        Returns its origin, or None if the event is not ours.
        """
        path = self._build_sent_path(event_id)
        sent = _decode_file(path, SentEvent)
        if sent is None:
            return None
        self.save_refused(bytes(sent.event), problems, sent.origin)
        self.unaccepted.save(path.stem, NoticeStatus.REJECTED)
        path.unlink(missing_ok=True)
        return sent.origin

    def find_status(self, subject: str, now: datetime) -> NoticeStatus:
        """Return the status of a notice's first revision."""
        path = self._build_sent_path(f"{subject}:1")
        sent = _decode_file(path, SentEvent)
        if sent is not None:
            expires = read_envelope(bytes(sent.event)).expirytime
            return NoticeStatus.EXPIRED if expires is not None and expires <= now else NoticeStatus.SENT
        usual = NoticeStatus.UNSENT if (self.drafts / path.name).exists() else NoticeStatus.SENT
        return self.unaccepted.read(path.stem) or usual

    def read_answers_offset(self) -> int | None:
        """Return the offset of the next answer to read from the stream; None if none has been read yet."""
        try:
            return int((self.path / "answers").read_text())
        except (FileNotFoundError, ValueError):
            return None

    def save_answers_offset(self, place: int) -> None:
        """Store the offset of the next answer to read from the stream."""
        write_atomically(self.path / "answers", str(place).encode())

    def list_refused(self) -> dict[str, RefusedEvent]:
        """Return refused events by file name without suffix, oldest first."""
        found = ((path.stem, _decode_file(path, RefusedEvent)) for path in list_files(self.refused))
        return {name: refused for name, refused in found if refused is not None}

    def find_event(self, name: str) -> Raw | None:
        """Return the event of a draft or of a refused event; None if there is none of this name."""
        draft, refused = self._build_path(self.drafts, name), self._build_path(self.refused, name)
        if draft.is_file():
            return Raw(draft.read_bytes())
        found = _decode_file(refused, RefusedEvent)
        return found.event if found else None

    def drop(self, name: str) -> None:
        """Remove the draft or the refused event of this name; unless it may be published, the draft is unsent."""
        if self._build_path(self.drafts, name).exists() and not self._build_path(self.path / "sent", name).exists():
            self.unaccepted.save(Path(name).name, NoticeStatus.UNSENT)
        self.remove(name)

    def remove(self, name: str) -> None:
        """Remove the draft or the refused event of this name, which was published, and may be answered already."""
        for folder in (self.drafts, self.refused):
            self._build_path(folder, name).unlink(missing_ok=True)

    def is_unanswered(self, event_id: str) -> bool:
        return self._build_sent_path(event_id).exists()

    def list_unanswered(self) -> list[SentEvent]:
        """Return published events without an answer."""
        return [sent for path in list_files(self.path / "sent") if (sent := _decode_file(path, SentEvent)) is not None]

    def find_oldest_sent(self) -> float:
        """Return when the oldest unanswered event was published, in seconds since 1970; now if there is none."""
        return min((get_modified_at(path) / 1e9 for path in list_files(self.path / "sent")), default=time.time())

    def purge_sent(self, before: float) -> None:
        """Remove events published before this moment, in seconds since 1970: they will not be answered any more."""
        for path in list_files(self.path / "sent"):
            if get_modified_at(path) < before * 1e9:
                path.unlink(missing_ok=True)

    @property
    def drafts(self) -> Path:
        return self.path / "drafts"

    @property
    def unaccepted(self) -> UnacceptedNotices:
        return UnacceptedNotices(self.path / "unaccepted")

    @property
    def refused(self) -> Path:
        return self.path / "refused"

    def _build_path(self, folder: Path, name: str) -> Path:
        """Build a path that cannot leave the folder, whatever the name."""
        return folder / f"{Path(name).name}.json"

    def _build_sent_path(self, event_id: str) -> Path:
        return self.path / "sent" / build_file_name(event_id)

    def _build_state_path(self, name: str) -> Path:
        return self.path / "memory" / f"{name}.json"


def _decode_file(path: Path, kind: type[Kept]) -> Kept | None:
    """Decode a file; return None if it is missing or damaged."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def list_files(folder: Path) -> Sequence[Path]:
    """Return complete files, oldest first."""
    found = [path for path in folder.glob("*.json") if not path.name.startswith(".")]
    return sorted(found, key=lambda path: (get_modified_at(path), path.name))

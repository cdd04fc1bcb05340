"""Folder of the service, with crash-safe files: state, drafts, published and refused events."""

import fcntl
import os
import re
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import msgspec
from msgspec import Raw, Struct

from services.feeds.state import RETENTION, NoticeStatus, OriginState
from shared.contracts.envelope import read_envelope
from shared.contracts.events import Problem
from shared.contracts.notices import NoticePublished


class FolderInUse(Exception):
    """Raised when another process uses the folder."""


class StateDamaged(Exception):
    """Raised when a state file is invalid; the text says which one, and what to do."""


class SentEvent(Struct, frozen=True, kw_only=True):
    """A published event without an answer yet; `origin` is its feed."""

    origin: str
    event: Raw


class RefusedEvent(Struct, frozen=True, kw_only=True):
    """An event that was refused or rejected, with the reasons."""

    problems: tuple[Problem, ...]
    event: Raw
    origin: str = ""


StoredEvent = TypeVar("StoredEvent", SentEvent, RefusedEvent)


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

    def save_state(self, name: str, state: OriginState) -> None:
        """Write the state; on return it is on disk."""
        _write_atomically(self._build_state_path(name), msgspec.json.encode(state))

    def save_draft(self, event: bytes) -> Path:
        """Store a draft without our source, since another system may publish it."""
        draft: dict[str, object] = msgspec.json.decode(event)
        draft.pop("source", None)
        path = self.drafts / _build_file_name(str(draft["id"]))
        _write_atomically(path, msgspec.json.format(msgspec.json.encode(draft), indent=2) + b"\n")
        return path

    def count_drafts(self, origin: str) -> int:
        pattern = re.compile(rf"{re.escape(origin)}-[0-9a-f]{{20}}\.")
        return sum(pattern.match(path.name) is not None for path in self.drafts.glob("*.json"))

    def has_draft(self, event_id: str) -> bool:
        """Return whether a draft of this event waits, which nobody has published."""
        return (self.drafts / _build_file_name(event_id)).exists() and not self.is_unanswered(event_id)

    def save_refused(self, event: bytes, problems: tuple[Problem, ...], origin: str) -> None:
        """Store an event that Kreisfunk refused, with the reasons."""
        path = self.refused / _build_file_name(read_envelope(event).id)
        content = msgspec.json.encode(RefusedEvent(problems=problems, event=Raw(event), origin=origin))
        _write_atomically(path, msgspec.json.format(content, indent=2) + b"\n")

    def save_sent(self, origin: str, event: bytes) -> None:
        """Store an event before it is published, as its answer may arrive at any time after that."""
        path = self._build_sent_path(read_envelope(event).id)
        _write_atomically(path, msgspec.json.encode(SentEvent(origin=origin, event=Raw(event))))

    def mark_answered(self, event_id: str) -> None:
        """Remove the files of an accepted event; the state still contains the entry."""
        path = self._build_sent_path(event_id)
        self.remove(path.stem)
        (self.unaccepted / path.stem).unlink(missing_ok=True)
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
        self._save_status(path.stem, NoticeStatus.REJECTED)
        self.remove_draft(path.stem)
        path.unlink(missing_ok=True)
        if path.stem.endswith(".1"):
            self._renew_drafts(event_id, path.stem)
        return sent.origin

    def _renew_drafts(self, event_id: str, name: str) -> None:
        """Make the waiting update the draft of this first revision, as nobody has received what it would update."""
        updates = self.drafts.glob(f"{name[:-1]}[0-9]*.json")
        for path in sorted(updates, key=lambda path: (len(path.name), path.name)):  # the last one counts
            with suppress(msgspec.DecodeError, UnicodeDecodeError, TypeError, KeyError):  # a follow-up, or damaged
                draft = msgspec.json.decode(path.read_bytes())
                del draft["data"]["revision"]
                self.save_draft(msgspec.json.encode({**draft, "id": event_id, "type": NoticePublished.TYPE}))
                self._save_status(name, NoticeStatus.UNSENT)
                path.unlink()

    def find_status(self, subject: str, now: datetime) -> NoticeStatus:
        """Return the status of a notice's first revision."""
        path = self._build_sent_path(f"{subject}:1")
        sent = _decode_file(path, SentEvent)
        if sent is not None:
            expires = read_envelope(bytes(sent.event)).expirytime
            return NoticeStatus.EXPIRED if expires is not None and expires <= now else NoticeStatus.SENT
        default = NoticeStatus.UNSENT if (self.drafts / path.name).exists() else NoticeStatus.SENT
        try:
            return NoticeStatus((self.unaccepted / path.stem).read_text())
        except (OSError, ValueError):
            return default

    def _save_status(self, name: str, status: NoticeStatus) -> None:
        """Store the status of the notice if the event is its first revision: only then has nobody received it."""
        if not name.endswith(".1"):
            return
        _write_atomically(self.unaccepted / name, status.encode())
        oldest = (time.time() - RETENTION.total_seconds()) * 1e9
        for path in self.unaccepted.iterdir():
            if _get_modified_at(path) < oldest:
                path.unlink(missing_ok=True)

    def list_refused(self) -> dict[str, RefusedEvent]:
        """Return refused events by file name without suffix, oldest first."""
        files = ((path.stem, _decode_file(path, RefusedEvent)) for path in list_files(self.refused))
        return {name: refused for name, refused in files if refused is not None}

    def count_refused(self) -> int:
        return len(list_files(self.refused))

    def has_event(self, name: str) -> bool:
        """Return whether there is a draft or a refused event of this name, even a damaged one."""
        return any(self._build_path(folder, name).is_file() for folder in (self.drafts, self.refused))

    def find_event(self, name: str) -> Raw | None:
        """Return the draft or the refused event of this name, None if there is neither or it is damaged."""
        draft, refused = self._build_path(self.drafts, name), self._build_path(self.refused, name)
        if draft.is_file():
            return Raw(draft.read_bytes())
        stored = _decode_file(refused, RefusedEvent)
        return stored.event if stored else None

    def drop(self, name: str) -> None:
        """Remove the draft or the refused event of this name; a draft counts as unsent unless it may be published."""
        if self._build_path(self.drafts, name).exists() and not self._build_path(self.path / "sent", name).exists():
            self._save_status(Path(name).name, NoticeStatus.UNSENT)
        self.remove(name)

    def remove(self, name: str) -> None:
        """Remove the draft and the refused event of this name."""
        for folder in (self.drafts, self.refused):
            self._build_path(folder, name).unlink(missing_ok=True)

    def remove_draft(self, name: str) -> None:
        """Remove the published draft of this name; a refused event stays until it is answered."""
        self._build_path(self.drafts, name).unlink(missing_ok=True)

    def is_unanswered(self, event_id: str) -> bool:
        return self._build_sent_path(event_id).exists()

    def is_refused(self, event_id: str) -> bool:
        return (self.refused / _build_file_name(event_id)).exists()

    def list_unanswered(self) -> list[SentEvent]:
        """Return published events without an answer."""
        return [sent for path in list_files(self.path / "sent") if (sent := _decode_file(path, SentEvent)) is not None]

    def read_sent_at(self, event_id: str) -> float:
        """Return when the unanswered event was published last, in seconds since 1970."""
        return _get_modified_at(self._build_sent_path(event_id)) / 1e9

    def purge_sent(self, before: float) -> None:
        """Remove events published before this time, in seconds since 1970, as they will not be answered any more."""
        for path in list_files(self.path / "sent"):
            if _get_modified_at(path) < before * 1e9:
                path.unlink(missing_ok=True)

    @property
    def drafts(self) -> Path:
        return self.path / "drafts"

    @property
    def unaccepted(self) -> Path:
        return self.path / "unaccepted"

    @property
    def refused(self) -> Path:
        return self.path / "refused"

    def _build_path(self, folder: Path, name: str) -> Path:
        """Build a path that cannot leave the folder, whatever the name."""
        return folder / f"{Path(name).name}.json"

    def _build_sent_path(self, event_id: str) -> Path:
        return self.path / "sent" / _build_file_name(event_id)

    def _build_state_path(self, name: str) -> Path:
        return self.path / "memory" / f"{name}.json"


def _decode_file(path: Path, file_type: type[StoredEvent]) -> StoredEvent | None:
    """Decode a file; return None if it is missing or damaged."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=file_type)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def list_files(folder: Path) -> Sequence[Path]:
    """Return files that are completely written, oldest first."""
    complete = [path for path in folder.glob("*.json") if not path.name.startswith(".")]
    return sorted(complete, key=lambda path: (_get_modified_at(path), path.name))


def _build_file_name(event_id: str) -> str:
    """Return a file name for the event. Ids of other systems may contain any characters, but must not form a path."""
    name = "".join(character if character.isalnum() or character in "-_" else "." for character in event_id)
    return f"{name[:150].lstrip('.') or 'event'}.json"


def _get_modified_at(path: Path) -> int:
    """Return the modification time in ns, 0 if the file has just been removed."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _write_atomically(path: Path, content: bytes) -> None:
    """Replace the file; even after a crash it has either the old or the new content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(temporary, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

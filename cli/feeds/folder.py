"""The folder in which all of this survives a kill: what is known, drafts, and what was refused."""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from cli.feeds.memory import Memory
from shared.contracts.envelope import Envelope, read_envelope
from shared.contracts.events import Problem

_DRAFT_LEAVES_OUT = ("source",)


class FolderInUse(Exception):
    """Another process works with it."""


class MemoryDamaged(Exception):
    """A file of ours that somebody else changed; the text says which and what to do."""


@dataclass(frozen=True)
class Folder:
    """`path/memory/<name>.json`, `path/drafts/` and `path/refused/`; every file is whole or not there."""

    path: Path

    @contextmanager
    def alone(self) -> Iterator[None]:
        """The kernel lets go when we die. Raises FolderInUse."""
        self.path.mkdir(parents=True, exist_ok=True)
        with open(self.path / "lock", "w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise FolderInUse(f"{self.path} is used by another `kreisfunk feeds`; end it first") from None
            yield

    def memory(self, name: str) -> Memory:
        """Raises MemoryDamaged."""
        path = self._memory(name)
        try:
            return msgspec.json.decode(path.read_bytes(), type=Memory)
        except FileNotFoundError:
            return Memory()
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise MemoryDamaged(f"{path}: {error}. Move it away: the next poll then marks all as known.") from None

    def remember(self, name: str, memory: Memory) -> None:
        """On disk when this returns."""
        write_whole(self._memory(name), msgspec.json.encode(memory))

    def keep_draft(self, event: bytes) -> Path:
        """As a person would publish it: without our source, since another system publishes it then."""
        envelope = read_envelope(event)
        fields: dict[str, object] = msgspec.json.decode(event)
        draft = {name: value for name, value in fields.items() if name not in _DRAFT_LEAVES_OUT}
        path = self.drafts / _file_name(envelope)
        write_whole(path, msgspec.json.format(msgspec.json.encode(draft), indent=2) + b"\n")
        return path

    def keep_refused(self, event: bytes, problems: tuple[Problem, ...]) -> Path:
        """What the door would not have, with its reasons."""
        path = self.path / "refused" / _file_name(read_envelope(event))
        kept = msgspec.json.encode({"problems": problems, "event": msgspec.Raw(event)})
        write_whole(path, msgspec.json.format(kept, indent=2) + b"\n")
        return path

    @property
    def drafts(self) -> Path:
        return self.path / "drafts"

    def _memory(self, name: str) -> Path:
        return self.path / "memory" / f"{name}.json"


def _file_name(envelope: Envelope) -> str:
    return f"{envelope.id.replace(':', '.')}.json"


def write_whole(path: Path, content: bytes) -> None:
    """The old file or the new one, never a part, also if the machine dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(draft, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

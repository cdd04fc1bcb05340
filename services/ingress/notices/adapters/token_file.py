"""Tokens file, read again whenever it has changed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import structlog

from services.ingress.notices.ports import TokensUnreadable
from shared.notices.tokens import Token, TokenList

_log = structlog.get_logger()
_FileState = tuple[int, int, int]


@dataclass
class TokenFile:
    """File implementation of ports.TokenSource. No file means no tokens; a damaged one rejects all until repaired."""

    path: Path
    _state: _FileState | None = field(default=None, init=False)
    _tokens: Sequence[Token] | None = field(default=(), init=False)

    def load(self) -> Sequence[Token]:
        state = self._read_state()
        if state != self._state:
            self._state = state
            self._tokens = self._read() if state else ()
        if self._tokens is None:
            raise TokensUnreadable
        return self._tokens

    def _read_state(self) -> _FileState | None:
        """Return values that change when the file is written, from one `stat` without reading the file."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        except OSError:
            return (0, 0, 0)
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _read(self) -> Sequence[Token] | None:
        try:
            tokens = msgspec.json.decode(self.path.read_bytes(), type=TokenList).tokens
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            _log.error("tokens_unreadable", path=str(self.path), error=type(error).__name__)
            return None
        _log.info("tokens_read", tokens=len(tokens))
        return tokens

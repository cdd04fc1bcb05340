"""Authentication of API requests against a file of tokens."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import structlog

from services.ingress.notices.errors import ApiError, ErrorType, build_retryable_error
from services.ingress.notices.rate_limit import TokenBuckets
from services.ingress.notices.validation import Caller
from shared.notices.configuration import Configuration
from shared.notices.tokens import MAX_TOKEN_LENGTH, Token, TokenList, find_token
from shared.runtime.clock import Clock

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="Kreisfunk"'}

_log = structlog.get_logger()
_FileState = tuple[int, int, int]


@dataclass
class TokenFile:
    """Tokens file, read again after each change. Without a file there are no tokens."""

    path: Path
    _state: _FileState | None = field(default=None, init=False)
    _tokens: Sequence[Token] | None = field(default=(), init=False)

    def load(self) -> Sequence[Token] | None:
        """Return the current tokens; None if the file is damaged. Changes take effect without a restart."""
        state = self._read_state()
        if state != self._state:
            self._state = state
            self._tokens = self._read() if state else ()
        return self._tokens

    def _read_state(self) -> _FileState | None:
        """Return values that change with the content or the rights of the file, from one `stat` without reading it."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return None
        except OSError:
            return (0, 0, 0)
        return status.st_ino, status.st_ctime_ns, status.st_size

    def _read(self) -> Sequence[Token] | None:
        try:
            tokens = msgspec.json.decode(self.path.read_bytes(), type=TokenList).tokens
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            _log.error("tokens_unreadable", path=str(self.path), error=type(error).__name__)
            return None
        _log.info("tokens_read", tokens=len(tokens))
        return tokens


@dataclass(kw_only=True)
class Authenticator:
    """Token authentication. Failed attempts are rate-limited by address, which does not affect valid tokens."""

    tokens: TokenFile
    configuration: Configuration
    failures: TokenBuckets
    requests: TokenBuckets
    clock: Clock
    monotonic: Callable[[], float]
    count_refused: Callable[[str], None]

    def authenticate(self, authorization: str | None, address: str) -> Caller:
        """Return the caller. Raises ApiError: the same one for every reason, except when a rate limit is exceeded."""
        tokens = self.tokens.load()
        if tokens is None:
            raise build_retryable_error(ErrorType.UNAVAILABLE, "Tokens cannot be checked at the moment.")
        token = find_token(_parse_bearer(authorization), tokens, self.clock())
        caller = None if token is None else self._build_caller(token)
        if caller is None:
            raise self._reject_token(address)
        if wait := self.requests.take(caller.token, self.monotonic()):
            raise self._reject_rate("This token was used too often.", wait)
        return caller

    def count_events(self, caller: Caller, events: int) -> None:
        """Count each event of a request after the first, which `authenticate` has counted. Raises ApiError."""
        if events > 1 and (wait := self.requests.take_rest(caller.token, self.monotonic(), events - 1)):
            raise self._reject_rate("This token was used for too many events.", wait)

    def is_still_valid(self, caller: Caller) -> bool:
        """Return whether the caller's token has been neither revoked nor expired since it was accepted."""
        tokens = self.tokens.load() or ()
        return any(token.id == caller.token and token.is_valid(self.clock()) for token in tokens)

    def _build_caller(self, token: Token) -> Caller | None:
        """Return None if the token's system is no longer registered, or has none of the token's topics any more."""
        system = self.configuration.find_system(token.system)
        topics = tuple(topic for topic in system.topics if topic in (token.topics or system.topics)) if system else ()
        if system is None or not topics:
            return None
        narrowed = msgspec.structs.replace(system, topics=topics)
        return Caller(token=token.id, system=narrowed, narrowed=topics != system.topics)

    def _reject_token(self, address: str) -> ApiError:
        if wait := self.failures.take(address, self.monotonic()):
            return self._reject_rate("Too many wrong tokens came from this address.", wait)
        self.count_refused("token")
        detail = "Send `Authorization: Bearer TOKEN`, with a token issued for your system."
        return ApiError(ErrorType.UNAUTHORIZED, detail, headers=CHALLENGE)

    def _reject_rate(self, detail: str, wait: float) -> ApiError:
        self.count_refused("rate")
        return build_retryable_error(ErrorType.TOO_MANY, detail, wait)


def _parse_bearer(authorization: str | None) -> str:
    """Return the bearer token as sent; empty if there is none or if it cannot be a token."""
    scheme, _, text = (authorization or "").partition(" ")
    token = text.strip()
    return token if scheme.lower() == "bearer" and len(token) <= MAX_TOKEN_LENGTH and token.isascii() else ""

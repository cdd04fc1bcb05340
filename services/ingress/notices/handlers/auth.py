"""Token authentication of API requests."""

from dataclasses import dataclass

import msgspec

from services.ingress.notices.domain.errors import ApiError, ErrorType, build_retryable_error
from services.ingress.notices.domain.rate_limit import TokenBuckets
from services.ingress.notices.domain.validation import Caller
from services.ingress.notices.ports import ApiMeter, MonotonicClock, TokenSource, TokensUnreadable
from shared.notices.configuration import Configuration
from shared.notices.tokens import MAX_TOKEN_LENGTH, Token, find_token
from shared.runtime.clock import Clock

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="Kreisfunk"'}
RETRY_AFTER_SECONDS = 2.0


@dataclass(kw_only=True)
class Authenticator:
    """Token authentication. Failed attempts are rate-limited by address; a valid token is accepted even from there."""

    tokens: TokenSource
    configuration: Configuration
    failures: TokenBuckets
    requests: TokenBuckets
    clock: Clock
    monotonic: MonotonicClock
    meter: ApiMeter

    def authenticate(self, authorization: str | None, address: str) -> Caller:
        """Return the caller. Raises ApiError: the same one for every reason, except when a rate limit is exceeded."""
        token, caller = self._find(_parse_bearer(authorization))
        if token is None or caller is None:
            raise self._reject_token(address)
        if wait := self.requests.take(token.id, self.monotonic()):
            raise self._reject_rate("This token was used too often.", wait)
        return caller

    def is_still_valid(self, caller: Caller) -> bool:
        """Return whether the caller's token has been neither revoked nor expired since it was accepted."""
        try:
            tokens = self.tokens.load()
        except TokensUnreadable:
            return False
        return any(token.id == caller.token and token.is_valid(self.clock()) for token in tokens)

    def _find(self, text: str) -> tuple[Token | None, Caller | None]:
        try:
            token = find_token(text, self.tokens.load(), self.clock())
        except TokensUnreadable:
            raise build_retryable_error(
                ErrorType.UNAVAILABLE, "Tokens cannot be checked just now.", RETRY_AFTER_SECONDS
            ) from None
        return token, None if token is None else self._build_caller(token)

    def _build_caller(self, token: Token) -> Caller | None:
        """Return None if the token's system is no longer registered, or none of the token's topics is left."""
        system = self.configuration.find_system(token.system)
        topics = tuple(topic for topic in system.topics if topic in (token.topics or system.topics)) if system else ()
        if system is None or not topics:
            return None
        narrowed = msgspec.structs.replace(system, topics=topics)
        return Caller(token=token.id, system=narrowed, narrowed=topics != system.topics)

    def _reject_token(self, address: str) -> ApiError:
        if wait := self.failures.take(address, self.monotonic()):
            return self._reject_rate("Too many wrong tokens came from this address.", wait)
        self.meter.count_refused("token")
        return ApiError(ErrorType.UNAUTHORIZED, "Send a token that was made for your system.", headers=CHALLENGE)

    def _reject_rate(self, detail: str, wait: float) -> ApiError:
        self.meter.count_refused("rate")
        return build_retryable_error(ErrorType.TOO_MANY, detail, wait)


def _parse_bearer(authorization: str | None) -> str:
    """Return the bearer token as sent; empty if there is none or if it cannot be a token."""
    scheme, _, text = (authorization or "").partition(" ")
    token = text.strip()
    return token if scheme.lower() == "bearer" and len(token) <= MAX_TOKEN_LENGTH and token.isascii() else ""

"""Who is let in."""

from dataclasses import dataclass

import msgspec

from services.ingress.door.domain.buckets import Buckets
from services.ingress.door.domain.judging import Caller
from services.ingress.door.domain.refusals import Kind, Refusal, later
from services.ingress.door.ports import Meter, Seconds, Tokens, TokensUnreadable
from shared.municipal.configuration import Configuration
from shared.municipal.tokens import LONGEST_TOKEN, Token, find_token
from shared.runtime.clock import Clock

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="Kreisfunk"'}
AGAIN_SECONDS = 2.0


@dataclass(kw_only=True)
class Guard:
    """Lets tokens in. Whoever guesses is slowed down by address; a right token is let in whatever came from there."""

    tokens: Tokens
    configuration: Configuration
    failures: Buckets
    requests: Buckets
    clock: Clock
    seconds: Seconds
    meter: Meter

    def admit(self, authorization: str | None, address: str) -> Caller:
        """Who it is. Raises Refusal: the same for every reason, unless there were too many."""
        token, caller = self._find(_bearer(authorization))
        if token is None or caller is None:
            raise self._unauthorized(address)
        if wait := self.requests.take(token.id, self.seconds()):
            raise self._too_many("This token was used too often.", wait)
        return caller

    def still_admits(self, caller: Caller) -> bool:
        """Whether the token of somebody who is inside was not withdrawn meanwhile."""
        try:
            tokens = self.tokens.current()
        except TokensUnreadable:
            return False
        return any(token.id == caller.token and token.is_valid(self.clock()) for token in tokens)

    def _find(self, text: str) -> tuple[Token | None, Caller | None]:
        try:
            token = find_token(text, self.tokens.current(), self.clock())
        except TokensUnreadable:
            raise later(Kind.UNAVAILABLE, "Tokens cannot be checked just now.", AGAIN_SECONDS) from None
        return token, None if token is None else self._caller(token)

    def _caller(self, token: Token) -> Caller | None:
        """None if its system is not registered any more, or none of its topics is left."""
        system = self.configuration.system(token.system)
        topics = tuple(topic for topic in system.topics if topic in (token.topics or system.topics)) if system else ()
        if system is None or not topics:
            return None
        narrowed = msgspec.structs.replace(system, topics=topics)
        return Caller(token=token.id, system=narrowed, narrowed=topics != system.topics)

    def _unauthorized(self, address: str) -> Refusal:
        if wait := self.failures.take(address, self.seconds()):
            return self._too_many("Too many wrong tokens came from this address.", wait)
        self.meter.refused("token")
        return Refusal(Kind.UNAUTHORIZED, "Send a token that was made for your system.", headers=CHALLENGE)

    def _too_many(self, detail: str, wait: float) -> Refusal:
        self.meter.refused("rate")
        return later(Kind.TOO_MANY, detail, wait)


def _bearer(authorization: str | None) -> str:
    """The token as it was sent; empty if there is none, or what cannot be one."""
    scheme, _, text = (authorization or "").partition(" ")
    token = text.strip()
    return token if scheme.lower() == "bearer" and len(token) <= LONGEST_TOKEN and token.isascii() else ""

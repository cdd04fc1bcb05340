"""Login through the county's identity provider (OpenID Connect): authorization request, and checks of the response."""

import base64
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import urlencode, urlsplit

from msgspec import Struct

# Asymmetric signatures only: HS256 would be signed with our own secret, `none` not at all.
ALGORITHMS = ("RS256", "PS256", "ES256")
SCOPE = "openid profile"
RETURN_PATH = "/anmelden/extern/zurueck"
PENDING_LIFETIME = timedelta(minutes=10)
CLOCK_LEEWAY_SECONDS = 60
MAX_SUBJECT_LENGTH = 255
MAX_CODE_LENGTH = 4_000
MAX_TIME = 1 << 40  # seconds since 1970; excludes infinity and NaN
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class IdentityRefused(Exception):
    """Raised when a response of the identity provider proves nothing; the text is for the log and names no person."""


@dataclass(frozen=True, kw_only=True)
class ProviderClient:
    """Our registration at the identity provider; `origin` is the newsroom's, `level` the `acr` that it requires."""

    issuer: str
    client_id: str
    secret: str | None = field(repr=False)
    origin: str
    level: str = ""

    @property
    def redirect_uri(self) -> str:
        return self.origin + RETURN_PATH


@dataclass(frozen=True)
class ProviderSubject:
    """Identity at an identity provider; unlike an e-mail address or a name, it never changes or gets reassigned."""

    issuer: str
    subject: str


@dataclass(frozen=True, kw_only=True)
class ProviderIdentity:
    """Identity of a user who has logged in at the identity provider; `name` is for display only."""

    subject: ProviderSubject
    name: str


class PendingLogin(Struct, frozen=True, kw_only=True):
    """Login in progress at the identity provider, stored in a cookie of the browser that began it.

    `session` is that of the account to connect, in hexadecimal; empty for a login.
    """

    state: str
    nonce: str
    verifier: str
    begun_at: datetime
    destination: str = ""
    session: str = ""


def is_private_address(url: str) -> bool:
    """Return whether nobody can intercept requests to the address: TLS, or this machine."""
    parts = urlsplit(url)
    return bool(parts.hostname) and (
        parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    )


def build_authorization_url(endpoint: str, client: ProviderClient, pending: PendingLogin) -> str:
    """Return the URL at which the browser logs in; it contains only the hash of the verifier (PKCE)."""
    challenge = base64.urlsafe_b64encode(sha256(pending.verifier.encode()).digest()).decode().rstrip("=")
    query = {
        "response_type": "code",
        "client_id": client.client_id,
        "redirect_uri": client.redirect_uri,
        "scope": SCOPE,
        "state": pending.state,
        "nonce": pending.nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        **({"acr_values": client.level} if client.level else {}),
    }
    return add_query(endpoint, query)


def add_query(url: str, query: Mapping[str, str]) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode(query)}"


def read_code(
    answer: Mapping[str, str], client: ProviderClient, pending: PendingLogin, *, names_issuer: bool, now: datetime
) -> str:
    """Return the authorization code; `names_issuer`: this provider's responses always contain `iss` (RFC 9207).

    Raises IdentityRefused if the response belongs to another login or provider, or to a login begun too long ago.
    """
    if not _is_same(answer.get("state"), pending.state):
        raise IdentityRefused("the answer belongs to another login")
    if not pending.begun_at <= now < pending.begun_at + PENDING_LIFETIME:
        raise IdentityRefused("the login was begun too long ago")
    if answer.get("iss", "" if names_issuer else client.issuer) != client.issuer:
        raise IdentityRefused("the answer is from another provider")
    code = answer.get("code", "")
    if "error" in answer or not code or len(code) > MAX_CODE_LENGTH:
        raise IdentityRefused("the provider did not let the user in")
    return code


def read_identity(
    claims: Mapping[str, Any], client: ProviderClient, pending: PendingLogin, now: datetime
) -> ProviderIdentity:
    """Return the identity in an ID token whose signature has been verified. Raises IdentityRefused."""
    if claims.get("iss") != client.issuer:
        raise IdentityRefused("the token is from another provider")
    _check_audience(claims, client.client_id)
    _check_times(claims, now.timestamp())
    if not _is_same(claims.get("nonce"), pending.nonce):
        raise IdentityRefused("the token belongs to another login")
    if client.level and claims.get("acr") != client.level:
        raise IdentityRefused("the provider did not ask for what KREISFUNK_OIDC_LEVEL demands")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT_LENGTH or not subject.isprintable():
        raise IdentityRefused("the token names no user")
    return ProviderIdentity(subject=ProviderSubject(client.issuer, subject), name=_find_name(claims) or subject)


def _is_same(received: object, expected: str) -> bool:
    return isinstance(received, str) and hmac.compare_digest(received.encode(errors="replace"), expected.encode())


def _check_audience(claims: Mapping[str, Any], client_id: str) -> None:
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    party = claims.get("azp", client_id if audiences == [client_id] else None)
    if client_id not in audiences or party != client_id:
        raise IdentityRefused("the token is for another application")


def _check_times(claims: Mapping[str, Any], now: float) -> None:
    expires, issued = _read_time(claims, "exp"), _read_time(claims, "iat")
    begins = _read_time(claims, "nbf") if "nbf" in claims else issued
    if expires <= now - CLOCK_LEEWAY_SECONDS:
        raise IdentityRefused("the token has expired")
    if max(issued, begins) > now + CLOCK_LEEWAY_SECONDS:
        raise IdentityRefused("the token is from the future: is a clock wrong?")
    if issued < now - PENDING_LIFETIME.total_seconds() - CLOCK_LEEWAY_SECONDS:
        raise IdentityRefused("the token is older than the login")


def _read_time(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < MAX_TIME:
        raise IdentityRefused(f"the token does not say {name}")
    return float(value)


def _find_name(claims: Mapping[str, Any]) -> str:
    names = (claims.get(claim) for claim in ("name", "preferred_username"))
    return next((name[:80] for name in names if isinstance(name, str) and name.isprintable() and name.strip()), "")

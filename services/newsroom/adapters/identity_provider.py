"""Client of the county's identity provider by OpenID Connect: discovery, keys, codes and signatures."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import msgspec
import structlog
from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar, encode_basic_auth
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import ECKey, Key, KeySet, RSAKey

from services.newsroom.domain.identity import (
    ALGORITHMS,
    IdentityRefused,
    PendingLogin,
    ProviderClient,
    ProviderIdentity,
    add_query,
    build_authorization_url,
    is_private_address,
    read_code,
    read_identity,
)
from shared.outcome import DependencyUnavailable
from shared.runtime.http_errors import describe_connection_error

TIMEOUT_SECONDS = 5.0
MAX_BYTES = 256 * 1024
MAX_SHOWN_ISSUER = 200
CACHE_SECONDS = 3_600.0
RETRY_SECONDS = 2.0
_KEY_TYPES: Mapping[str, type[RSAKey] | type[ECKey]] = {"RSA": RSAKey, "EC": ECKey}
_log = structlog.get_logger()

T = TypeVar("T")


class ProviderUnavailable(DependencyUnavailable):
    """The identity provider did not answer, or its answer was invalid."""


class _Metadata(msgspec.Struct, frozen=True):
    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    end_session_endpoint: str | None = None
    authorization_response_iss_parameter_supported: bool = False

    @property
    def addresses(self) -> list[str]:
        required = [self.authorization_endpoint, self.token_endpoint, self.jwks_uri]
        return [*required, self.end_session_endpoint] if self.end_session_endpoint else required


class _Keys(msgspec.Struct, frozen=True):
    keys: list[dict[str, Any]]


class _Tokens(msgspec.Struct, frozen=True):
    id_token: str


class CachedDocument(Generic[T]):
    """Cached document of the identity provider; after a failure, requests fail fast for RETRY_SECONDS."""

    def __init__(self, load: Callable[[], Awaitable[T]]) -> None:
        self._load = load
        self._lock = asyncio.Lock()
        self._value: T | None = None
        self._loaded_at = self._failed_at = float("-inf")

    async def get(self, max_age: float = CACHE_SECONDS) -> T:
        """Return the document, at most `max_age` seconds old. Raises ProviderUnavailable."""
        async with self._lock:
            now = time.monotonic()
            if self._value is not None and now - self._loaded_at <= max_age:
                return self._value
            if now - self._failed_at < RETRY_SECONDS:
                raise ProviderUnavailable("the identity provider did not answer just now")
            try:
                self._value = await self._load()
            except ProviderUnavailable:
                self._failed_at = time.monotonic()
                raise
            self._loaded_at = time.monotonic()
            return self._value


class OidcProvider:
    """Client of an identity provider such as Keycloak. Methods raise ProviderUnavailable."""

    def __init__(self, session: ClientSession, client: ProviderClient) -> None:
        self._session = session
        self._client = client
        self._metadata = CachedDocument(self._load_metadata)
        self._keys = CachedDocument(self._load_keys)

    async def build_login_url(self, pending: PendingLogin) -> str:
        """Return the URL to redirect the browser to for login."""
        metadata = await self._metadata.get()
        return build_authorization_url(metadata.authorization_endpoint, self._client, pending)

    async def identify(self, pending: PendingLogin, answer: Mapping[str, str], now: datetime) -> ProviderIdentity:
        """Return who has logged in; `answer` is the query of the redirect back. Raises IdentityRefused."""
        metadata = await self._metadata.get()
        names_issuer = metadata.authorization_response_iss_parameter_supported
        code = read_code(answer, self._client, pending, names_issuer=names_issuer, now=now)
        claims = await self._verify(await self._fetch_token(metadata.token_endpoint, code, pending.verifier))
        return read_identity(claims, self._client, pending, now)

    async def find_logout_url(self) -> str | None:
        """Return the URL to redirect the browser to for logout at the provider; None if it has none."""
        client, endpoint = self._client, (await self._metadata.get()).end_session_endpoint
        query = {"client_id": client.client_id, "post_logout_redirect_uri": f"{client.origin}/anmelden"}
        return None if endpoint is None else add_query(endpoint, query)

    async def _load_metadata(self) -> _Metadata:
        url = f"{self._client.issuer.rstrip('/')}/.well-known/openid-configuration"
        metadata = _decode(await self._get(url), _Metadata)
        if metadata.issuer != self._client.issuer:
            name = metadata.issuer[:MAX_SHOWN_ISSUER]
            raise ProviderUnavailable(f"the identity provider calls itself {name}, which is not KREISFUNK_OIDC_ISSUER")
        if not all(is_private_address(address) for address in metadata.addresses):
            raise ProviderUnavailable("the identity provider has addresses without TLS")
        return metadata

    async def _load_keys(self) -> KeySet:
        """Return the signing keys; ignore others, such as those for encryption or of a kind not known here."""
        keys = _decode(await self._get((await self._metadata.get()).jwks_uri), _Keys).keys
        signing_keys = [key for key in keys if key.get("use", "sig") == "sig" and key.get("kty") in _KEY_TYPES]
        usable_keys: list[Key] = [imported for key in signing_keys if (imported := _read_key(key))]
        if not usable_keys:
            raise ProviderUnavailable("the identity provider has no signing key that can be used here")
        return KeySet(usable_keys)

    async def _fetch_token(self, endpoint: str, code: str, verifier: str) -> str:
        """Exchange the code for an ID token. Raises IdentityRefused."""
        client = self._client
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": client.redirect_uri,
            "code_verifier": verifier,
        }
        headers = {}
        if client.secret:
            login, secret = quote(client.client_id, safe=""), quote(client.secret, safe="")
            headers["Authorization"] = encode_basic_auth(login, secret)
        else:
            form["client_id"] = client.client_id
        status, body = await self._request("POST", endpoint, data=form, headers=headers)
        if status in (400, 401, 403):
            _log.warning("identity_provider_refuses", status=status)
            raise IdentityRefused("the provider refuses the code")
        if status != 200:
            raise ProviderUnavailable(f"the identity provider answered {status}")
        return _decode(body, _Tokens).id_token

    async def _verify(self, token: str) -> dict[str, Any]:
        """Verify the token and return its claims; reload the keys if the token names an unknown one."""
        try:
            try:
                return _decode_token(token, await self._keys.get())
            except InvalidKeyIdError:
                return _decode_token(token, await self._keys.get(max_age=0))
        except (JoseError, ValueError, TypeError):
            raise IdentityRefused("the token is not signed by the provider") from None

    async def _get(self, url: str) -> bytes:
        status, body = await self._request("GET", url)
        if status != 200:
            raise ProviderUnavailable(f"the identity provider answered {status}")
        return body

    async def _request(self, method: str, url: str, **options: Any) -> tuple[int, bytes]:
        """Return status and body of limited size; redirects are not followed."""
        body = bytearray()
        try:
            async with self._session.request(method, url, allow_redirects=False, **options) as response:
                async for chunk in response.content.iter_any():
                    body += chunk
                    if len(body) > MAX_BYTES:
                        raise ProviderUnavailable(f"the identity provider's answer has more than {MAX_BYTES} bytes")
                return response.status, bytes(body)
        except (ClientError, OSError, TimeoutError, ValueError) as error:
            raise ProviderUnavailable(f"the identity provider: {describe_connection_error(error)}") from None


def _decode(body: bytes, document_type: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=document_type)
    except msgspec.MsgspecError:
        raise ProviderUnavailable("the identity provider's answer is invalid") from None


def _read_key(key: dict[str, Any]) -> Key | None:
    """Return the key, None if it cannot be used: it is broken, or on a curve not known here."""
    try:
        return _KEY_TYPES[key["kty"]].import_key(key)
    except (JoseError, ValueError, TypeError, KeyError):
        return None


def _decode_token(token: str, keys: KeySet) -> dict[str, Any]:
    return dict(jwt.decode(token, keys, algorithms=list(ALGORITHMS)).claims)


@asynccontextmanager
async def open_identity_provider(client: ProviderClient | None) -> AsyncIterator[OidcProvider | None]:
    """Open a client, if there is a provider; it sends no request until somebody logs in."""
    if client is None:
        yield None
        return
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    async with ClientSession(
        timeout=ClientTimeout(total=TIMEOUT_SECONDS), headers=headers, cookie_jar=DummyCookieJar()
    ) as session:
        yield OidcProvider(session, client)

"""Tokens that the identity provider has not signed, whatever they say of themselves."""

import base64
import hmac
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from joserfc import jwt
from yarl import URL

from services.newsroom.adapters.identity_provider import OidcProvider, open_identity_provider
from services.newsroom.domain.identity import IdentityRefused, PendingLogin, ProviderClient
from shared.runtime.clock import system_clock
from tests.harness.scripted_provider import (
    CLIENT_ID,
    SECRET,
    Forge,
    ScriptedProvider,
    make_key,
    run_scripted_provider,
)


@pytest.fixture(scope="module")
async def provider() -> AsyncIterator[ScriptedProvider]:
    async with run_scripted_provider() as running:
        yield running


@pytest.fixture(scope="module")
async def client(provider: ScriptedProvider) -> AsyncIterator[OidcProvider]:
    known = ProviderClient(issuer=provider.issuer, client_id=CLIENT_ID, secret=SECRET, origin="https://r.example")
    async with open_identity_provider(known) as opened:
        assert opened
        yield opened


async def identify(provider: ScriptedProvider, client: OidcProvider) -> str:
    now = system_clock()
    pending = PendingLogin(state="zustand", nonce="einmal", verifier="geheim", begun_at=now)
    answer = URL(provider.let_in(await client.build_login_url(pending), "4711")).query
    return (await client.identify(pending, answer, now)).subject.subject


async def test_a_token_of_the_provider_says_who_it_is(provider: ScriptedProvider, client: OidcProvider) -> None:
    provider.forge = None
    assert await identify(provider, client) == "4711"
    provider.forge = lambda header, claims: jwt.encode(
        {**header, "alg": "PS256"}, claims, provider.key, algorithms=["PS256"]
    )
    assert await identify(provider, client) == "4711"


def encode(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).decode().rstrip("=")


def sign_by_hand(header: dict[str, Any], claims: dict[str, Any], secret: bytes = b"") -> str:
    """What no library makes: a token signed with HMAC, or without a secret not at all."""
    signed = ".".join(encode(json.dumps(part).encode()) for part in (header, claims))
    return f"{signed}.{encode(hmac.digest(secret, signed.encode(), 'sha256')) if secret else ''}"


FORGERIES: dict[str, Callable[[ScriptedProvider], Forge]] = {
    "none": lambda _: lambda header, claims: sign_by_hand({**header, "alg": "none"}, claims),
    "no signature": lambda _: sign_by_hand,
    "our secret": lambda _: lambda header, claims: sign_by_hand({**header, "alg": "HS256"}, claims, SECRET.encode()),
    "the public key as a secret": lambda provider: (
        lambda header, claims: sign_by_hand({**header, "alg": "HS256"}, claims, provider.key.as_pem(private=False))
    ),
    "another key": lambda _: lambda header, claims: jwt.encode(header, claims, make_key()),
    "an unknown key": lambda _: lambda header, claims: jwt.encode({**header, "kid": "unknown"}, claims, make_key()),
    "a key in the header": lambda _: forge_with_own_key,
    "no token": lambda _: lambda header, claims: "x.y.z",
}


def forge_with_own_key(header: dict[str, Any], claims: dict[str, Any]) -> str:
    key = make_key()
    return jwt.encode({**header, "kid": key.kid, "jwk": key.as_dict(private=False)}, claims, key)


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_a_token_that_the_provider_has_not_signed_says_nothing(
    forgery: str, provider: ScriptedProvider, client: OidcProvider
) -> None:
    provider.forge = FORGERIES[forgery](provider)
    with pytest.raises(IdentityRefused, match="not signed"):
        await identify(provider, client)

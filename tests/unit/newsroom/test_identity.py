"""Claims that an answer of the identity provider has to prove."""

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as some

from services.newsroom.domain.identity import (
    IdentityRefused,
    PendingLogin,
    ProviderClient,
    ProviderSubject,
    build_authorization_url,
    is_private_address,
    read_code,
    read_identity,
)

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
ISSUER, NAME = "https://anmeldung.example/realms/landkreis", "redaktion"
CLIENT = ProviderClient(issuer=ISSUER, client_id=NAME, secret=None, origin="https://r.example")
DEMANDING = replace(CLIENT, level="2fa")
PENDING = PendingLogin(state="zustand", nonce="einmal", verifier="geheim", begun_at=NOW)
CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "aud": NAME,
    "sub": "4711",
    "nonce": "einmal",
    "iat": SECONDS,
    "exp": SECONDS + 60,
    "name": "Mina Moor",
    "email": "mina@landkreis.example",
}


def read(claims: dict[str, Any]) -> ProviderSubject:
    return read_identity(claims, CLIENT, PENDING, NOW).subject


def test_issuer_and_subject_say_who_it_is_and_nothing_else_does() -> None:
    assert read(CLAIMS) == ProviderSubject(ISSUER, "4711")
    assert read({**CLAIMS, "email": "other@landkreis.example", "name": "X"}) == read(CLAIMS)


@pytest.mark.parametrize(
    "change",
    [
        {"aud": [NAME]},
        {"aud": [NAME, "andere"], "azp": NAME},
        {"azp": NAME},
        {"exp": SECONDS - 59},
        {"iat": SECONDS + 60},
        {"iat": SECONDS - 660},
        {"nbf": SECONDS + 60},
        {"name": None},
        {"name": "a\u202eb"},
    ],
    ids=str,
)
def test_what_a_provider_may_say(change: dict[str, Any]) -> None:
    assert read({**CLAIMS, **change}) == ProviderSubject(ISSUER, "4711")


@pytest.mark.parametrize(
    "change",
    [
        {"iss": ISSUER + "/"},
        {"iss": "https://anmeldung.example/realms/anderer"},
        {"aud": "andere"},
        {"aud": []},
        {"aud": [NAME, "andere"]},
        {"aud": [NAME, "andere"], "azp": "andere"},
        {"aud": NAME, "azp": "andere"},
        {"aud": "andere", "azp": NAME},
        {"exp": SECONDS - 60},
        {"exp": str(SECONDS + 60)},
        {"exp": True},
        {"exp": float("nan")},
        {"exp": float("inf")},
        {"exp": 10**400},
        {"iat": SECONDS + 61},
        {"iat": SECONDS - 661},
        {"iat": float("nan")},
        {"nbf": SECONDS + 61},
        {"nbf": "bald"},
        {"nonce": "anders"},
        {"nonce": None},
        {"nonce": "\ud800"},
        {"sub": ""},
        {"sub": 4711},
        {"sub": "a" * 256},
        {"sub": "4711\0"},
    ],
    ids=str,
)
def test_what_proves_nothing(change: dict[str, Any]) -> None:
    with pytest.raises(IdentityRefused):
        read({**CLAIMS, **change})


@pytest.mark.parametrize("missing", ["iss", "aud", "sub", "nonce", "iat", "exp"])
def test_every_claim_is_needed(missing: str) -> None:
    with pytest.raises(IdentityRefused):
        read({name: value for name, value in CLAIMS.items() if name != missing})


def test_a_second_factor_that_is_demanded_is_named_by_the_token() -> None:
    assert read_identity({**CLAIMS, "acr": "2fa"}, DEMANDING, PENDING, NOW).subject == read(CLAIMS)
    for said in (None, "1"):
        with pytest.raises(IdentityRefused, match="LEVEL"):
            read_identity({**CLAIMS, "acr": said}, DEMANDING, PENDING, NOW)


json_values = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(),
    lambda inner: some.lists(inner) | some.dictionaries(some.text(), inner),
    max_leaves=5,
)


@given(some.sampled_from(sorted(CLAIMS)), json_values)
def test_whatever_a_claim_is_nobody_else_gets_in(name: str, value: object) -> None:
    try:
        assert read({**CLAIMS, name: value}).issuer == ISSUER
    except IdentityRefused:
        assert value != CLAIMS[name]


def read_answer(answer: dict[str, str], names_issuer: bool = False, now: datetime = NOW) -> str:
    return read_code(answer, CLIENT, PENDING, names_issuer=names_issuer, now=now)


def test_an_answer_brings_the_code() -> None:
    assert read_answer({"state": "zustand", "code": "x"}) == "x"
    assert read_answer({"state": "zustand", "code": "x", "iss": ISSUER}, names_issuer=True) == "x"


@pytest.mark.parametrize(
    ("answer", "names_issuer", "age"),
    [
        ({"code": "x"}, False, 0),
        ({"code": "x", "state": "anders"}, False, 0),
        ({"code": "x", "state": "züstand"}, False, 0),
        ({"code": "x", "state": "zustand", "iss": "https://anderer.example"}, False, 0),
        ({"code": "x", "state": "zustand"}, True, 0),
        ({"code": "x", "state": "zustand", "error": "access_denied"}, False, 0),
        ({"state": "zustand"}, False, 0),
        ({"code": "x" * 4_001, "state": "zustand"}, False, 0),
        ({"code": "x", "state": "zustand"}, False, 600),
        ({"code": "x", "state": "zustand"}, False, -1),
    ],
)
def test_an_answer_to_something_else_is_none(answer: dict[str, str], names_issuer: bool, age: int) -> None:
    with pytest.raises(IdentityRefused):
        read_answer(answer, names_issuer, NOW + timedelta(seconds=age))


def test_the_provider_is_told_a_hash_of_the_verifier_only() -> None:
    url = build_authorization_url("https://anmeldung.example/auth?kc_idp=x", DEMANDING, PENDING)
    query = parse_qs(urlsplit(url).query)
    challenge = base64.urlsafe_b64encode(sha256(b"geheim").digest()).decode().rstrip("=")
    assert (query["code_challenge"], query["code_challenge_method"]) == ([challenge], ["S256"])
    assert (query["kc_idp"], query["state"], query["nonce"]) == (["x"], ["zustand"], ["einmal"])
    assert (query["response_type"], query["redirect_uri"]) == (["code"], [CLIENT.redirect_uri])
    assert query["acr_values"] == ["2fa"]
    assert "geheim" not in url


@pytest.mark.parametrize(
    ("url", "is_private"),
    [
        ("https://anmeldung.example/realms/x", True),
        ("http://127.0.0.1:8080", True),
        ("http://[::1]/x", True),
        ("http://localhost:8080/x", True),
        ("http://anmeldung.example", False),
        ("http://127.0.0.1.example", False),
        ("https://", False),
        ("anmeldung.example", False),
        ("javascript:alert(1)", False),
    ],
)
def test_without_tls_there_is_this_machine_only(url: str, is_private: bool) -> None:
    assert is_private_address(url) is is_private

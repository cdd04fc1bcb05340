"""Signatures and the token of the handshake."""

from hypothesis import given
from hypothesis import strategies as st

from services.ingress.webhook.signature import is_signed, is_verify_token
from tests.factories.webhooks import SECRET, sign

SECRETS = (SECRET.encode(), b"the older one")


@given(body=st.binary())
def test_the_signature_with_either_secret_is_right(body: bytes) -> None:
    assert is_signed(body, sign(body), SECRETS)
    assert is_signed(body, sign(body, "the older one"), SECRETS)
    assert not is_signed(body, sign(body, "a third one"), SECRETS)


@given(body=st.binary(), other=st.binary())
def test_the_signature_of_another_body_is_wrong(body: bytes, other: bytes) -> None:
    assert is_signed(body, sign(other), SECRETS) == (body == other)


@given(header=st.none() | st.text() | st.from_regex(r"sha256=[0-9a-f]{63,65}", fullmatch=True))
def test_no_other_header_is_right(header: str | None) -> None:
    assert not is_signed(b"body", header, SECRETS)


def test_without_a_secret_nothing_is_signed() -> None:
    assert not is_signed(b"body", sign(b"body", ""), ())


@given(given_token=st.none() | st.text(), expected=st.text())
def test_a_token_is_ours_or_not(given_token: str | None, expected: str) -> None:
    assert is_verify_token(given_token, expected) == (expected != "" and given_token == expected)

"""Webhook signatures: `sha256=` and the HMAC of the raw body in 64 lower-case hexadecimal digits.

https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/create-webhook-endpoint
"""

import hmac
import re
from collections.abc import Sequence

_HEADER = re.compile(r"sha256=([0-9a-f]{64})")


def is_well_formed(header: str | None) -> bool:
    """Return whether the header has the form of a signature, which can be checked before the body arrives."""
    return header is not None and _HEADER.fullmatch(header) is not None


def is_signed(body: bytes, header: str | None, secrets: Sequence[bytes]) -> bool:
    """Return whether the header is the body's signature with one of the secrets (two during a rotation)."""
    match = _HEADER.fullmatch(header or "")
    if match is None:
        return False
    signature = bytes.fromhex(match[1])
    # Every secret is tried, so that the timing does not reveal which one matched.
    return any([hmac.compare_digest(signature, hmac.digest(secret, body, "sha256")) for secret in secrets])


def is_verify_token(token: str | None, expected: str) -> bool:
    """Return whether the handshake token is ours; False if we have no token of our own."""
    if not token or not expected:
        return False
    return hmac.compare_digest(token.encode(errors="replace"), expected.encode())

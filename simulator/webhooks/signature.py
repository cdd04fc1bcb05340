"""Meta's signature: HMAC-SHA256 with the app secret over the bytes on the wire."""

import hmac

HEADER = "X-Hub-Signature-256"


def sign(secret: bytes, body: bytes) -> str:
    return f"sha256={hmac.digest(secret, body, 'sha256').hex()}"

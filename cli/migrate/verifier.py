"""What PostgreSQL stores of a password (RFC 5803), made here: the password itself would be in a log of statements."""

import base64
import hashlib
import hmac
import os
import stringprep
import unicodedata

ITERATIONS = 4096  # the server's own number
SALT_BYTES = 16


def build_verifier(password: str) -> str:
    """Return the SCRAM-SHA-256 verifier of a password, with a new salt."""
    salt = os.urandom(SALT_BYTES)
    salted = hashlib.pbkdf2_hmac("sha256", _prepare(password).encode(), salt, ITERATIONS)
    stored_key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    return f"SCRAM-SHA-256${ITERATIONS}:{_encode(salt)}${_encode(stored_key)}:{_encode(server_key)}"


def _prepare(password: str) -> str:
    """Return the password as clients hash it (SASLprep, RFC 4013): other spaces and compatible letters are one."""
    kept = (letter for letter in password if not stringprep.in_table_b1(letter))
    spaced = (" " if stringprep.in_table_c12(letter) else letter for letter in kept)
    return unicodedata.normalize("NFKC", "".join(spaced))


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()

"""What a private broker is told about its users."""

import base64
import hashlib

from deploy.local.rabbitmq_files import ADMIN, definitions, password_hash


def test_the_password_is_stored_salted_and_hashed() -> None:
    stored = base64.b64decode(password_hash("geheim", b"salt"))
    assert stored == b"salt" + hashlib.sha256(b"saltgeheim").digest()


def test_the_administrator_is_the_only_user() -> None:
    users = definitions("geheim", salt=b"salt")["users"]
    assert users == [{"name": ADMIN, "password_hash": password_hash("geheim", b"salt"), "tags": ["administrator"]}]

"""Definitions of users and limits for a private broker, and the same limits for one in a container."""

import base64
import hashlib
import re

from deploy.container_secrets import ADMIN, build_definitions
from deploy.local.rabbitmq import CONFIGURATION, RABBIT_ARGUMENTS
from deploy.paths import ROOT


def test_the_administrator_is_the_only_user_whose_password_is_stored_salted_and_hashed() -> None:
    users = build_definitions("geheim", salt=b"salt")["users"]
    stored = base64.b64encode(b"salt" + hashlib.sha256(b"saltgeheim").digest()).decode()
    assert users == [{"name": ADMIN, "password_hash": stored, "tags": ["administrator"]}]


def test_a_broker_in_a_container_has_the_same_bounds() -> None:
    configuration = (ROOT / "deploy/rabbitmq/kreisfunk.conf").read_text()
    bounds = re.findall(
        r"^(?:auth_backends|max_message_size|frame_max|tcp_listen_options).+$", CONFIGURATION, re.MULTILINE
    )
    assert len(bounds) == 6
    assert set(bounds) <= set(configuration.splitlines())
    compose = (ROOT / "docker-compose.yml").read_text()
    assert f"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: >-\n        {RABBIT_ARGUMENTS}\n" in compose

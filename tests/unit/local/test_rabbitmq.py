"""Limits for a private broker, and the same limits for one in a container."""

import re

from deploy.local.rabbitmq import CONFIGURATION, RABBIT_ARGUMENTS
from deploy.paths import ROOT


def test_a_broker_in_a_container_has_the_same_bounds() -> None:
    configuration = (ROOT / "deploy/rabbitmq/kreisfunk.conf").read_text()
    bounds = re.findall(
        r"^(?:auth_backends|max_message_size|frame_max|tcp_listen_options).+$", CONFIGURATION, re.MULTILINE
    )
    assert len(bounds) == 6
    assert set(bounds) <= set(configuration.splitlines())
    compose = (ROOT / "docker-compose.yml").read_text()
    assert f"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: >-\n        {RABBIT_ARGUMENTS}\n" in compose

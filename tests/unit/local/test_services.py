"""Environments of a stack's processes."""

from dataclasses import replace
from pathlib import Path

from deploy.local.environments import StackEnvironment, filter_inherited

AROUND = StackEnvironment(
    inherited={"PATH": "/bin"},
    secrets=Path("/secrets"),
    broker_ports=(1,),
    broker_api_port=2,
    database_ports=(3,),
)


def test_settings_of_another_installation_do_not_leak_in() -> None:
    ours = {"KREISFUNK_GRAPH_URL": "https://elsewhere", "SIMULATOR_LISTEN_PORT": "1", "LANG": "C"}
    assert filter_inherited(ours) == {"LANG": "C", "PYTHONUNBUFFERED": "1"}


def test_a_url_names_every_server_and_no_password() -> None:
    assert AROUND.build_broker_url("ingress") == "amqp://ingress@127.0.0.1:1/"
    assert AROUND.build_database_url("kreisfunk_monitor") == "postgresql://kreisfunk_monitor@127.0.0.1:3/kreisfunk"
    around = replace(AROUND, broker_ports=(1, 7, 8), database_ports=(3, 9))
    assert around.build_broker_url("ingress") == "amqp://ingress@127.0.0.1:1,127.0.0.1:7,127.0.0.1:8/"
    assert around.build_database_url("owner") == "postgresql://owner@127.0.0.1:3,127.0.0.1:9/kreisfunk"

"""Ports that somebody wants, and those that are free."""

import socket

import pytest

from deploy.local.ports import LOOPBACK, reserve_ports


def listen(port: int = 0) -> socket.socket:
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((LOOPBACK, port))
    server.listen()
    return server


@pytest.fixture
def wanted() -> int:
    """A port that was free a moment ago."""
    with listen() as server:
        port: int = server.getsockname()[1]
    return port


def test_a_wanted_port_is_given_if_it_is_free(wanted: int) -> None:
    with reserve_ports(3, [wanted]) as ports:
        assert ports[0] == wanted
        assert len(set(ports)) == 3
        listen(wanted).close()


def test_another_is_given_if_somebody_listens_there(wanted: int) -> None:
    with listen(wanted), reserve_ports(2, [wanted]) as ports:
        assert wanted not in ports


def test_another_is_given_if_somebody_has_reserved_it(wanted: int) -> None:
    with reserve_ports(1, [wanted]) as (first,), reserve_ports(1, [wanted]) as (second,):
        assert first == wanted != second
    with reserve_ports(1, [wanted]) as (again,):
        assert again == wanted


def test_connections_that_have_just_ended_keep_no_port(wanted: int) -> None:
    with listen(wanted) as server, socket.create_connection((LOOPBACK, wanted)) as client:
        accepted, _ = server.accept()
        # Whoever closes first waits: here the server's side.
        accepted.close()
        assert client.recv(1) == b""
    with pytest.raises(OSError, match="in use"), socket.socket() as plain:
        plain.bind((LOOPBACK, wanted))
    with reserve_ports(1, [wanted]) as (given,):
        assert given == wanted

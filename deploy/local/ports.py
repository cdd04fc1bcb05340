"""Free TCP ports that stay ours between choosing them and listening on them."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

LOOPBACK = "127.0.0.1"


@contextmanager
def reserve_ports(count: int, wanted: Sequence[int] = ()) -> Iterator[list[int]]:
    """The kernel gives these ports to nobody else while the context is open; the first are `wanted`, where free.

    A bound socket that does not listen keeps a port from being handed out, also as the source of an
    outgoing connection, but lets a server with SO_REUSEADDR (every one that we start) listen on it.
    """
    with ExitStack() as sockets:
        fixed = [_bind_socket_to(port, sockets) or _bind_free_socket() for port in wanted[:count]]
        others = [_bind_free_socket() for _ in range(count - len(fixed))]
        yield [sockets.enter_context(each).getsockname()[1] for each in (*fixed, *others)]


def _bind_socket_to(port: int, sockets: ExitStack) -> socket.socket | None:
    """None if the port is not free."""
    bound = socket.socket()
    try:
        sockets.enter_context(_claim(port))
        # Connections that ended a moment ago must not keep the port from us. With this option other reservations do
        # not, either: hence the claim.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((LOOPBACK, port))
    except OSError:
        bound.close()
        return None
    return bound


def _claim(port: int) -> socket.socket:
    """A name that one process of this machine can have; the kernel takes it back when we die."""
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(f"\0kreisfunk-port-{port}")
    except OSError:
        claim.close()
        raise
    return claim


def _bind_free_socket() -> socket.socket:
    bound = socket.socket()
    bound.bind((LOOPBACK, 0))
    # Only now: with the option set before, the kernel might choose another reservation's port.
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return bound

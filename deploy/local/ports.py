"""Free TCP ports that stay ours between choosing them and listening on them."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

LOOPBACK = "127.0.0.1"


@contextmanager
def reserved_ports(count: int) -> Iterator[list[int]]:
    """The kernel gives these ports to nobody else while the context is open.

    A bound socket that does not listen keeps a port from being handed out, also as the source of an
    outgoing connection, but lets a server with SO_REUSEADDR (every one that we start) listen on it.
    """
    with ExitStack() as sockets:
        yield [sockets.enter_context(_bound_socket()).getsockname()[1] for _ in range(count)]


def _bound_socket() -> socket.socket:
    bound = socket.socket()
    bound.bind((LOOPBACK, 0))
    # Only now: with the option set before, the kernel might choose another reservation's port.
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return bound

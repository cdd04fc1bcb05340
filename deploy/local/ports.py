"""Free TCP ports, reserved from their choice until a server listens on them."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

LOOPBACK = "127.0.0.1"


@contextmanager
def reserve_ports(count: int, preferred: Sequence[int] = ()) -> Iterator[list[int]]:
    """Reserve ports while the context is open; the first are `preferred`, where free.

    A bound socket that does not listen keeps the kernel from giving a port to another process, also as the source of an
    outgoing connection, but lets a server with SO_REUSEADDR (every one that we start) listen on it.
    """
    with ExitStack() as sockets:
        fixed = [_bind_socket_to(port, sockets) or _bind_free_socket() for port in preferred[:count]]
        others = [_bind_free_socket() for _ in range(count - len(fixed))]
        yield [sockets.enter_context(bound).getsockname()[1] for bound in (*fixed, *others)]


def _bind_socket_to(port: int, sockets: ExitStack) -> socket.socket | None:
    """Return a socket bound to the port, or None if it is not free."""
    bound = socket.socket()
    try:
        sockets.enter_context(_claim(port))
        # SO_REUSEADDR: recently closed connections must not block the port. It also bypasses other reservations,
        # hence the claim.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((LOOPBACK, port))
    except OSError:
        bound.close()
        return None
    return bound


def _claim(port: int) -> socket.socket:
    """Bind an abstract socket name, which one process of this machine can hold; the kernel frees it if we die."""
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
    # Set after binding; before it, the kernel might choose the port of another reservation.
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return bound

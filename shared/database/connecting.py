"""Connections to whichever of several servers accepts writes, which are never cancelled in the middle of a commit."""

import asyncio
from contextlib import suppress
from typing import Any

import asyncpg

from shared.runtime.hosts import split_hosts

# A server whose machine is gone does not refuse: the next one has to be tried while the caller still waits.
HOST_TIMEOUT_SECONDS = 1.5
_TRY_NEXT_ERRORS = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # starting, or shutting down
    asyncpg.TargetServerAttributeNotMatched,  # a standby
)


class UncancelledConnection(asyncpg.Connection):
    """Connection that is closed where asyncpg would cancel its statement, after a time-out or a task's cancellation.

    PostgreSQL commits a transaction locally and then waits for a standby. Cancelled there, the transaction becomes
    visible although no standby has it: whoever relies on what it then reads may rely on what a failover forgets. The
    server ends the statement of a closed connection itself (`client_connection_check_interval`), but no such wait.
    """

    def _cancel_current_command(self, *_: object) -> None:
        asyncio.get_running_loop().call_soon(self.terminate)


async def connect(url: str, **options: Any) -> asyncpg.Connection:
    """Connect like asyncpg, to the server in `url` that accepts writes.

    Raises ConnectionError if none does, and otherwise what asyncpg raises.
    """
    *others, last = split_hosts(url)
    options |= {"target_session_attrs": "read-write"}
    for host in others:
        with suppress(*_TRY_NEXT_ERRORS):
            async with asyncio.timeout(HOST_TIMEOUT_SECONDS):
                return await asyncpg.connect(host, **options)
    try:
        return await asyncpg.connect(last, **options)
    except asyncpg.TargetServerAttributeNotMatched:
        raise ConnectionError("no server accepts writes") from None

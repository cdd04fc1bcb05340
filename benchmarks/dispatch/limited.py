"""The dispatcher with as many connections as everybody else: its own number follows from the rate."""

from benchmarks.dispatch.load import CONNECTIONS
from services.dispatcher import wiring
from services.dispatcher.__main__ import main
from services.dispatcher.adapters.graph import open_session

if __name__ == "__main__":
    wiring.open_session = lambda *, token, timeout, connections: open_session(  # type: ignore[attr-defined]
        token=token, timeout=timeout, connections=min(connections, CONNECTIONS)
    )
    main()

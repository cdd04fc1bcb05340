"""Coverage of the AsyncAPI and OpenAPI documents over all processes of a test run."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping

from shared.contracts.envelope import MESSAGES
from tests.contract_recorder.message_checks import TracedMessage
from tools import openapi
from tools.asyncapi import build_channel_id, list_routes

# Places that no test reaches, with the reason.
_OUR_MISTAKE = "only a bug of ours is answered like this, and we know of none"
UNSEEN: Mapping[str, str] = {
    "notices API publish 500": _OUR_MISTAKE,
    "notices API check 500": _OUR_MISTAKE,
    "notices API follow 500": _OUR_MISTAKE,
    "notices API list 500": _OUR_MISTAKE,
}


class ContractCoverage:
    """Counts of valid messages by channel and type, and of valid answers by operation and status."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def count(self, message: TracedMessage) -> None:
        kind = str(message.event.get("type"))
        if kind in MESSAGES and (message.exchange, message.key) in list_routes():
            self.counts[build_place(message.exchange, message.key, kind)] += 1

    def add(self, counts: Mapping[str, int]) -> None:
        """Add the counts of another process."""
        self.counts.update(counts)


SEEN = ContractCoverage()


def build_place(exchange: str, key: str, kind: str) -> str:
    return f"{build_channel_id(exchange, key)} {kind}"


def build_answer_place(operation: str, status: int) -> str:
    return f"notices API {operation} {status}"


def list_places() -> Iterator[str]:
    """Yield every message on every channel of the documents, and every answer of the notices API."""
    for (exchange, key), kinds in list_routes().items():
        yield from (build_place(exchange, key, kind.TYPE) for kind in kinds)
    for methods in json.loads(openapi.FILE.read_text())["paths"].values():
        for operation in methods.values():
            yield from (build_answer_place(operation["operationId"], int(status)) for status in operation["responses"])


def find_complaints(counts: Mapping[str, int], excused: Mapping[str, str] = UNSEEN) -> list[str]:
    """Return the places that a whole run must have seen but has not, and needless excuses."""
    places = set(list_places())
    unseen = [f"never seen: {place}" for place in list_places() if not counts.get(place) and place not in excused]
    seen = [f"excused, but seen: {place}" for place in excused if counts.get(place)]
    unknown = [f"excused, but not in the document: {place}" for place in excused if place not in places]
    return [*unseen, *seen, *unknown]

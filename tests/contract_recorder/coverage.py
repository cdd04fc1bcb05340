"""How much of the AsyncAPI document and of the OpenAPI document was seen, over all processes of a test run."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping

from shared.contracts.envelope import MESSAGES
from tests.contract_recorder.message_checks import TracedMessage
from tools import openapi
from tools.asyncapi import build_channel_id, list_routes

# What no test brings about, with the reason.
_OUR_MISTAKE = "only a mistake of ours is answered like this, and we know of none"
UNSEEN: Mapping[str, str] = {
    "door publish 500": _OUR_MISTAKE,
    "door check 500": _OUR_MISTAKE,
    "door follow 500": _OUR_MISTAKE,
    "door list 500": _OUR_MISTAKE,
}


class ContractCoverage:
    """What was as described: messages by channel and type, answers by operation and status."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def count(self, message: TracedMessage) -> None:
        kind = str(message.event.get("type"))
        if kind in MESSAGES and (message.exchange, message.key) in list_routes():
            self.counts[build_place(message.exchange, message.key, kind)] += 1

    def add(self, counts: Mapping[str, int]) -> None:
        """What another process has counted."""
        self.counts.update(counts)


SEEN = ContractCoverage()


def build_place(exchange: str, key: str, kind: str) -> str:
    return f"{build_channel_id(exchange, key)} {kind}"


def build_answer_place(operation: str, status: int) -> str:
    return f"door {operation} {status}"


def list_places() -> Iterator[str]:
    """Every message that the documents say travels somewhere, and every answer of the door."""
    for (exchange, key), kinds in list_routes().items():
        yield from (build_place(exchange, key, kind.TYPE) for kind in kinds)
    for methods in json.loads(openapi.FILE.read_text())["paths"].values():
        for operation in methods.values():
            yield from (build_answer_place(operation["operationId"], int(status)) for status in operation["responses"])


def find_complaints(counts: Mapping[str, int], excused: Mapping[str, str] = UNSEEN) -> list[str]:
    """What a whole run of the tests must have seen and has not, and what is excused without need."""
    every = set(list_places())
    never = [f"never seen: {where}" for where in list_places() if not counts.get(where) and where not in excused]
    seen = [f"excused, but seen: {where}" for where in excused if counts.get(where)]
    unknown = [f"excused, but not in the document: {where}" for where in excused if where not in every]
    return [*never, *seen, *unknown]

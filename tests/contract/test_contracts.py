"""Examples, schemas and structs say the same, and every message has somebody who waits for it."""

import json
from typing import Any

import pytest

from shared.amqp import topology
from shared.contracts import dispatch, events, inbound, notices
from shared.contracts.envelope import (
    MESSAGES,
    ContractError,
    decode,
    encode,
    read_data,
    read_envelope,
    read_message,
)
from shared.contracts.message import Message
from tools.schemas import EXAMPLES, SCHEMAS, build_schema, locate_schema

EXCHANGES_OF = {
    inbound.__name__: (topology.INBOUND,),
    notices.__name__: (topology.MUNICIPAL_EVENTS, topology.API_NOTICES),
    dispatch.__name__: (topology.DISPATCH,),
    events.__name__: (topology.EVENTS,),
}
EVERY_TYPE = pytest.mark.parametrize("name", MESSAGES)


def example(name: str) -> bytes:
    return (EXAMPLES / f"{name}.json").read_bytes()


def without_values(parsed: Any) -> Any:
    """Every field of the data replaced by what none of them may hold."""
    return {**parsed, "data": {key: [[]] for key in parsed["data"]}}


def test_every_type_has_an_example_and_a_schema_and_there_are_no_others() -> None:
    assert {path.stem for path in EXAMPLES.iterdir()} == set(MESSAGES)
    assert {path.stem for path in SCHEMAS.iterdir()} == set(MESSAGES)


@EVERY_TYPE
def test_an_example_survives_decoding_and_encoding_with_nothing_lost(name: str) -> None:
    body = example(name)
    envelope = read_envelope(body)
    again = encode(
        decode(body),
        event_id=envelope.id,
        source=envelope.source,
        time=envelope.time,
        subject=envelope.subject,
        expirytime=envelope.expirytime,
    )
    assert json.loads(again) == json.loads(body)


@EVERY_TYPE
def test_an_example_shows_every_field(name: str) -> None:
    assert set(json.loads(example(name))["data"]) == set(MESSAGES[name].__struct_fields__)


@EVERY_TYPE
def test_the_committed_schema_is_the_structs(name: str) -> None:
    assert json.loads(locate_schema(name).read_text()) == build_schema(MESSAGES[name]), "run `python -m tools.schemas`"


@EVERY_TYPE
def test_a_reader_ignores_fields_that_it_does_not_know(name: str) -> None:
    parsed = json.loads(example(name))
    parsed["data"]["added_later"] = {"by": "somebody"}
    parsed["extension"] = "somebody's"
    assert decode(json.dumps(parsed).encode()) == decode(example(name))


@EVERY_TYPE
def test_what_does_not_fit_is_refused_without_repeating_it(name: str) -> None:
    body = json.dumps(without_values(json.loads(example(name)))).encode()
    with pytest.raises(ContractError, match=name):
        decode(body)


def test_type_names_are_versioned_and_keys_are_unique_in_their_exchange() -> None:
    keys = [(EXCHANGES_OF[kind.__module__], kind.KEY) for kind in MESSAGES.values()]
    assert len(set(keys)) == len(keys)
    for name, kind in MESSAGES.items():
        assert name == kind.TYPE
        assert name.startswith("de.kreisfunk.")
        assert name.rpartition(".v")[2].isdecimal()


def consumed(kind: type[Message]) -> bool:
    """Return whether a queue of ours is bound for it, at each exchange where it travels."""
    return all(
        any(
            queue.exchange == exchange and any(_matches(pattern, kind.KEY) for pattern in queue.keys)
            for queue in topology.QUEUES
        )
        for exchange in EXCHANGES_OF[kind.__module__]
    )


def _matches(pattern: str, key: str) -> bool:
    return pattern == key or (pattern.endswith(".#") and key.startswith(pattern[:-1]))


@EVERY_TYPE
def test_every_message_that_must_not_get_lost_has_a_consumer(name: str) -> None:
    kind = MESSAGES[name]
    for_the_world = kind.__module__ == events.__name__
    kept_for_an_operator = kind is inbound.WebhookQuarantined
    assert consumed(kind) or for_the_world or kept_for_an_operator


def test_every_queue_waits_for_a_message_that_exists() -> None:
    lanes = {queue.name for queue in topology.LANES.values()}
    for queue in topology.QUEUES:
        for pattern in queue.keys:
            sent = [
                kind
                for kind in MESSAGES.values()
                if queue.exchange in EXCHANGES_OF[kind.__module__] and _matches(pattern, kind.KEY)
            ]
            assert sent or queue.name in lanes


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b'{"specversion":"1.0","id":"1","source":"/x"}',
        b'{"specversion":"0.3","id":"1","source":"/x","type":"de.kreisfunk.notice.withdrawn.v1"}',
        b'{"specversion":"1.0","id":"1","source":"/x","type":"de.kreisfunk.notice.withdrawn.v9","data":{}}',
        b'{"specversion":"1.0","id":"1","source":"/x","type":"de.kreisfunk.notice.withdrawn.v1"}',
        b'{"specversion":"1.0","id":"1","source":"/x","type":"de.kreisfunk.notice.withdrawn.v1","data":"x"}',
        b'{"specversion":"1.0","id":"1","source":"/x","type":"de.kreisfunk.notice.withdrawn.v1","data":{"reason":"\xff"}}',
    ],
)
def test_what_is_no_event_of_ours_is_a_contract_error(body: bytes) -> None:
    with pytest.raises(ContractError):
        decode(body)


def test_data_of_another_type_than_asked_for_is_a_contract_error() -> None:
    envelope = read_envelope(example("de.kreisfunk.notice.withdrawn.v1"))
    with pytest.raises(ContractError, match=r"expected de\.kreisfunk\.notice\.published\.v1"):
        read_data(envelope, notices.NoticePublished)
    assert read_data(envelope, notices.NoticeWithdrawn) == read_message(envelope)

"""The AsyncAPI document is that of the code, refers to nothing that it lacks, and its schemas take our messages.

No Python package carries AsyncAPI's own schema: `make asyncapi-test` gets it from npm and checks the document by it.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft7Validator

from services.ingress.notices.api import ASYNCAPI
from shared.amqp import topology
from shared.amqp.permissions import MUNICIPAL_TOPIC_PERMISSIONS
from shared.contracts import notices
from shared.contracts.envelope import MESSAGES
from shared.contracts.message import Message
from tools.asyncapi import FILE, REQUIRED, list_keys, list_senders, render_asyncapi
from tools.openapi import EVENT_TYPES
from tools.schemas import EXAMPLES

DOCUMENT = json.loads(FILE.read_text())
EVERY_TYPE = pytest.mark.parametrize("name", MESSAGES)


def at(document: Any, path: str) -> Iterator[dict[str, Any]]:
    """Each object at a path."""
    step, _, rest = path.partition("/")
    if not step:
        yield document
        return
    for key in document if step == "*" else {step} & document.keys():
        yield from at(document[key], rest)


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        for value in part.values():
            yield from references(value)
    elif isinstance(part, list):
        for value in part:
            yield from references(value)


def target(reference: str) -> Any:
    found: Any = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        found = found[step]
    return found


def validator(name: str) -> Draft7Validator:
    payload = DOCUMENT["components"]["messages"][name]["payload"]
    return Draft7Validator({**payload, "components": DOCUMENT["components"]})


def test_the_file_is_what_the_code_says_and_lies_where_the_notices_api_serves_it() -> None:
    assert FILE.read_text() == render_asyncapi(), "run `python -m tools.asyncapi`"
    assert FILE.samefile(ASYNCAPI)


def test_every_reference_leads_somewhere_in_the_document() -> None:
    found = set(references(DOCUMENT))
    assert found
    assert {reference for reference in found if not isinstance(target(reference), dict)} == set()
    assert all(reference.startswith("#/") for reference in found)


def test_an_operation_is_about_messages_of_its_channel() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    for operation in DOCUMENT["operations"].values():
        assert operation["action"] in ("send", "receive")
        channel = operation["channel"]["$ref"]
        names = {message["$ref"] for message in operation["messages"]}
        assert names == {f"{channel}/messages/{name}" for name in target(channel)["messages"]}


@EVERY_TYPE
def test_every_message_has_its_channels_and_who_sends_it(name: str) -> None:
    channels = {key: channel["address"] for key, channel in DOCUMENT["channels"].items() if name in channel["messages"]}
    assert set(channels.values()) == set(list_keys(MESSAGES[name]))
    senders, operations = list_senders(MESSAGES[name]), DOCUMENT["operations"]
    for sender in senders:
        assert all(operations[f"{sender}.sends.{channel}"]["action"] == "send" for channel in channels)
    if not senders:
        assert all(operations[f"subscriptions.receives.{channel}"]["action"] == "receive" for channel in channels)


def test_every_exchange_that_carries_events_is_there() -> None:
    exchanges = {found["name"]: found["type"] for found in at(DOCUMENT, "channels/*/bindings/amqp/exchange")}
    assert exchanges == {
        topology.MUNICIPAL_EVENTS: "topic",
        topology.API_NOTICES: "topic",
        topology.EVENTS: "topic",
        topology.INBOUND: "topic",
        topology.DISPATCH: "direct",
    }


def test_only_what_municipal_systems_may_publish_or_read_is_for_integrators() -> None:
    """They read one stream, in which nothing is about a subscriber."""
    (permission,) = MUNICIPAL_TOPIC_PERMISSIONS
    for channel in DOCUMENT["channels"].values():
        exchange, key = channel["bindings"]["amqp"]["exchange"]["name"], channel["address"]
        may_publish = exchange == permission.exchange and re.search(permission.write, key) is not None
        may_read = exchange == topology.EVENTS and key.startswith(("notice.", "broadcast."))
        (tag,) = channel["tags"]
        assert (tag["name"] == "integrators") is (may_publish or may_read), channel["title"]


@EVERY_TYPE
def test_a_payload_takes_its_example_and_nothing_else(name: str) -> None:
    example = json.loads((EXAMPLES / f"{name}.json").read_text())
    Draft7Validator.check_schema(DOCUMENT["components"]["messages"][name]["payload"])
    check = validator(name)
    check.validate(example)
    assert not check.is_valid({**example, "specversion": "0.3"})
    assert not check.is_valid({**example, "type": "de.kreisfunk.notice.published.v9"})
    assert not check.is_valid({**example, "data": {key: [[]] for key in example["data"]}})
    assert not check.is_valid({key: value for key, value in example.items() if key != "source"})
    for needed in REQUIRED.get(MESSAGES[name], ()):
        assert not check.is_valid({**example, needed: None})


def test_schemas_are_schemas() -> None:
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft7Validator.check_schema(schema)


def test_what_a_notice_needs_is_the_same_as_over_http() -> None:
    over_http = {event.__name__: event.__struct_fields__ for event in EVENT_TYPES}
    named: dict[str, type[Message]] = {
        "PublishedEvent": notices.NoticePublished,
        "UpdatedEvent": notices.NoticeUpdated,
        "WithdrawnEvent": notices.NoticeWithdrawn,
    }
    for name, kind in named.items():
        assert {"subject", "expirytime"} & set(over_http[name]) == set(REQUIRED[kind])

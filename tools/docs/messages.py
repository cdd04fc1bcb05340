"""Generator of docs/messages.md, from the contracts, the topology and the logins."""

import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any

from shared.amqp import topology
from shared.amqp.permissions import MUNICIPAL, MUNICIPAL_LIMITS, MUNICIPAL_TOPIC_PERMISSIONS, SERVICES
from shared.contracts.envelope import MESSAGES
from shared.contracts.message import Message
from tools.asyncapi import EXCHANGES_OF, ON_A_LANE
from tools.docs.tables import format_code, render_table
from tools.schemas import build_schema

PARTS = {
    topology.MUNICIPAL_EVENTS: "What municipal systems tell us. What they tell us over HTTP travels on `notices.api`.",
    topology.INBOUND: "What Meta's webhooks say, as groups, from the ingress.",
    topology.DISPATCH: "What is to be sent. A batch, or a follow-up, travels on the lane that it names.",
    topology.EVENTS: "What we tell the world.",
}
A_SYSTEM = "bauamt"
LOGINS = {**SERVICES, A_SYSTEM: MUNICIPAL}
SYSTEMS = f"""`{A_SYSTEM}` stands for each municipal system: what a login may do follows from its registration in the
county's file. It declares and binds nothing, has at most {{limits}}, and the keys that it publishes with are bound:
what citizens write, and who subscribes to what, no system can hear. How many messages wait in a queue is no secret:
RabbitMQ tells it to every login of the vhost that asks for the queue by its name."""
STREAM_READERS = {
    topology.PROGRESS: "each process of the notices API for itself",
    topology.ANSWERS: "each municipal system for itself",
}
INTRODUCTION = """# Messages and queues

Written by `python -m tools.docs.generate` from `shared/contracts`, `shared/amqp/topology.py` and
`shared/amqp/permissions.py`; a test fails when it is stale. JSON Schemas and an example of each message are in
[shared/contracts/schemas](../shared/contracts/schemas) and [shared/contracts/examples](../shared/contracts/examples).

Every message is a [CloudEvent](https://cloudevents.io) 1.0 in structured JSON (`application/cloudevents+json`); the
tables below show its `data`. Readers ignore fields that they do not know. A field that becomes required, or changes, is
a new version of the type. Binary values are base64. An address is always sealed: only ingress and dispatcher have the
key."""
TIERS = """Each of these queues has a dead-letter queue `<queue>.dead`, where a message stays with its reason until an
operator looks, and delay tiers `<queue>.retry.<tier>` ({tiers}) that lead back to the same queue only. Dead letters in
{expiring} may quote a citizen: they are dropped after {days} days. The owner parks
messages through the exchange `<owner>.retry`. A message that the broker has had to deliver more than
{limit} times is dead, too. All queues are quorum queues. What the ingress cannot understand is kept in
`{quarantine}`, sealed; notices that were rejected in `{notices}`, as they came, with the headers `kind`, `reason`,
`source`, `event`, `system`, `quarantined-at` and, if the body was too long to be kept, `truncated-from`."""


def render_messages_page() -> str:
    """Return the content of the file."""
    parts = [
        INTRODUCTION,
        "## Exchanges",
        _render_exchanges(),
        "## Queues",
        _render_queues(),
        _format_tiers(),
        "## Logins",
        _render_logins(),
        _format_keys(),
    ]
    for exchange, title in PARTS.items():
        parts += [f"## Messages on `{exchange}`", title]
        for kind in _list_messages(exchange):
            parts += _render_message(kind)
    parts += ["## Parts of messages", *_render_values()]
    return "\n\n".join(parts) + "\n"


def _list_messages(exchange: str) -> list[type[Message]]:
    return [kind for kind in MESSAGES.values() if EXCHANGES_OF[kind.__module__][0] == exchange]


def _render_exchanges() -> str:
    rows = []
    for exchange in PARTS:
        writers = [login for login, may in LOGINS.items() if re.search(may.write, exchange)]
        keys = [kind.KEY for kind in _list_messages(exchange)]
        if exchange == topology.DISPATCH:
            keys = list(topology.LANES)
        rows.append((f"`{exchange}`", format_code(keys), format_code(writers)))
    rows.insert(1, (f"`{topology.API_NOTICES}`", rows[0][1], "`notices`"))
    return render_table(("exchange", "routing keys", "logins that may write"), rows)


def _render_queues() -> str:
    rows = [
        (f"`{queue.name}`", f"`{queue.exchange}`", format_code(queue.keys), queue.owner, _format_bound(queue))
        for queue in topology.QUEUES
    ]
    parking, most, kept = (
        topology.SUBSCRIPTIONS_NOTICES.retry_exchange,
        f"{topology.MAX_QUARANTINE_LENGTH} or 64 MB, more is only logged",
        f"none; each for {topology.QUARANTINE_MAX_AGE.days} days",
    )
    rows += [
        (f"`{topology.QUARANTINE}`", f"`{topology.INBOUND}`", "`quarantined`", "an operator", kept),
        (f"`{topology.NOTICES_QUARANTINE}`", f"`{parking}`", f"`{topology.NOTICES_QUARANTINE}`", "an operator", most),
    ]
    rows += [
        (f"`{stream.name}`", f"`{exchange}`", format_code(keys), STREAM_READERS[stream.name], _format_size(stream))
        for stream in topology.STREAMS
        for exchange, keys in stream.keys.items()
    ]
    return render_table(("queue", "exchange", "keys", "read by", "most messages"), rows)


def _format_size(stream: topology.Stream) -> str:
    return f"14 days or {stream.max_bytes // 1_000_000} MB, a stream"


def _format_bound(queue: topology.Queue) -> str:
    size = f" or {queue.max_bytes // 1_000_000} MB" if queue.max_bytes else ""
    beyond = "the oldest is dropped" if queue.drops_oldest else "more is refused"
    return f"{queue.max_length}{size}, {beyond}" if queue.max_length else "none"


def _format_tiers() -> str:
    return TIERS.format(
        tiers=", ".join(topology.RETRY_TIERS),
        limit=topology.DELIVERY_LIMIT,
        quarantine=topology.QUARANTINE,
        notices=topology.NOTICES_QUARANTINE,
        expiring=" and ".join(f"`{queue.dead_letter_queue}`" for queue in topology.QUEUES if queue.has_citizens_words),
        days=topology.QUARANTINE_MAX_AGE.days,
    )


def _render_logins() -> str:
    rows = [
        (login, *(f"`{pattern}`" for pattern in (may.configure, may.write, may.read))) for login, may in LOGINS.items()
    ]
    return render_table(("login", "configure", "write", "read"), rows)


def _format_keys() -> str:
    rows = [(f"`{may.exchange}`", f"`{may.write}`", f"`{may.read}`") for may in MUNICIPAL_TOPIC_PERMISSIONS]
    limits = " and ".join(f"{value} {name.removeprefix('max-')}" for name, value in MUNICIPAL_LIMITS.items())
    return f"{SYSTEMS.format(limits=limits)}\n\n{render_table(('exchange', 'keys written', 'keys read'), rows)}"


def _render_message(kind: type[Message]) -> Iterator[str]:
    schema = build_schema(kind)
    yield f"### `{kind.TYPE}`"
    yield inspect.cleandoc(kind.__doc__ or "")
    key = "`urgent` or `bulk`, as its lane" if kind in ON_A_LANE else f"`{kind.KEY}`"
    yield f"Routing key: {key}."
    yield _render_fields(schema["$defs"][kind.__name__])


def _render_values() -> Iterator[str]:
    definitions: dict[str, Any] = {}
    for kind in MESSAGES.values():
        definitions |= build_schema(kind)["$defs"]
    for name in sorted(definitions.keys() - {kind.__name__ for kind in MESSAGES.values()}):
        definition = definitions[name]
        yield f"### {name}"
        yield definition["description"]
        yield _render_fields(definition) if "properties" in definition else f"One of {format_code(definition['enum'])}."


def _render_fields(definition: Mapping[str, Any]) -> str:
    required = definition.get("required", ())
    rows = [
        (f"`{name}`", describe_schema(schema), "required" if name in required else _format_default(schema))
        for name, schema in definition["properties"].items()
    ]
    return render_table(("field", "type", ""), rows)


def _format_default(schema: Mapping[str, Any]) -> str:
    default = schema.get("default")
    if default is None or default == []:
        return "optional"
    return f"otherwise `{str(default).lower()}`" if default != "" else "optional"


def describe_schema(schema: Mapping[str, Any]) -> str:
    """Return the type of one field in words."""
    if "anyOf" in schema:
        return " or ".join(describe_schema(choice) for choice in schema["anyOf"] if choice.get("type") != "null")
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if schema["type"] == "array":
        return f"list of {describe_schema(schema['items'])}"
    if schema["type"] == "object":
        return "object"
    return _describe_scalar(schema)


def _describe_scalar(schema: Mapping[str, Any]) -> str:
    word = {"uuid": "UUID", "date-time": "date and time"}.get(schema.get("format", ""), schema["type"])
    if schema.get("contentEncoding") == "base64":
        word = "binary"
    limits = {"minLength": "at least {} long", "maxLength": "at most {} long", "minimum": "from {}", "maximum": "to {}"}
    said = [text.format(schema[name]) for name, text in limits.items() if name in schema]
    said += [f"`{schema['pattern']}`"] if "pattern" in schema else []
    return ", ".join([word, *said])

"""Generator of docs/messages.md, from the contracts, the topology and the logins."""

import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any

from shared.amqp import topology
from shared.amqp.permissions import MUNICIPAL, MUNICIPAL_LIMITS, SERVICES
from shared.contracts.envelope import MESSAGES
from shared.contracts.message import Message
from tools.asyncapi import EXCHANGES_OF, ON_A_LANE
from tools.docs.tables import format_code, render_table
from tools.schemas import build_schema

PARTS = {
    topology.MUNICIPAL_EVENTS: "From municipal systems over AMQP. Notices over HTTP use `notices.api`.",
    topology.INBOUND: "From Meta's webhooks, in groups, by the ingress.",
    topology.DISPATCH: "Messages to send. A batch or follow-up takes the lane that it names.",
    topology.EVENTS: "Reports of our services.",
}
A_SYSTEM = "bauamt"
LOGINS = {**SERVICES, A_SYSTEM: MUNICIPAL}
SYSTEMS = f"""`{A_SYSTEM}` stands for each municipal system, which can publish only with the keys of
[`municipal.events`](#messages-on-municipalevents), cannot declare or bind anything, and has at most
{{limits}}. RabbitMQ tells every login the number of messages in any queue that it names."""
STREAM_READERS = {
    topology.PROGRESS: "each process of the notices API for itself",
    topology.ANSWERS: "each municipal system for itself",
}
INTRODUCTION = """# Messages and queues

Written by `python -m tools.docs.generate` from `shared/contracts`, `shared/amqp/topology.py` and
`shared/amqp/permissions.py`. Each type has a [JSON Schema](../shared/contracts/schemas), with the types and limits of
its fields, and an [example](../shared/contracts/examples).

Every message is a [CloudEvent](https://cloudevents.io) 1.0 in structured JSON (`application/cloudevents+json`); the
lists below describe its `data`: fields are required unless "optional" precedes them. Readers ignore unknown fields; new
required or changed fields mean a [new version](decisions/0002-contracts-and-envelope.md) of the type. Addresses are
encrypted; only ingress and dispatcher have the key."""
TIERS = """All queues are quorum queues. Each queue that a service reads has

- a dead-letter queue `<queue>.dead`, which keeps messages with their reason until an operator looks, including those
  that the broker has delivered more than {limit} times. Messages in {expiring}
  may quote citizens and are dropped after {days} days;
- delay tiers `<queue>.retry.<tier>` ({tiers}), which lead back to that queue. Its owner publishes messages to retry
  through the exchange `<owner>.retry`.

`{quarantine}` keeps what the ingress could not parse, encrypted; `{notices}` keeps rejected
notices as they came, with the headers `kind`, `reason`, `source`, `event`, `system`, `quarantined-at` and, if the body
was too long, `truncated-from`."""


def render_messages_page() -> str:
    parts = [
        INTRODUCTION,
        "## Exchanges",
        _render_exchanges(),
        SYSTEMS.format(limits=" and ".join(f"{n} {name.removeprefix('max-')}" for name, n in MUNICIPAL_LIMITS.items())),
        "## Queues",
        _render_queues(),
        _format_tiers(),
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
        writers = [login for login, permission in LOGINS.items() if re.search(permission.write, exchange)]
        rows.append((f"`{exchange}`", format_code(writers)))
    rows.insert(1, (f"`{topology.API_NOTICES}`", "`notices`"))
    return render_table(("exchange", "logins that may write"), rows)


def _render_queues() -> str:
    rows = [
        (f"`{queue.name}`", f"`{queue.exchange}`", format_code(queue.keys), queue.owner, _format_bound(queue))
        for queue in topology.QUEUES
    ]
    notices, retry_exchange, notices_limit, webhooks_limit = (
        topology.NOTICES_QUARANTINE,
        topology.SUBSCRIPTIONS_NOTICES.retry_exchange,
        f"{topology.MAX_QUARANTINE_LENGTH} or 64 MB, more is only logged",
        f"none; each for {topology.QUARANTINE_MAX_AGE.days} days",
    )
    rows += [
        (f"`{topology.QUARANTINE}`", f"`{topology.INBOUND}`", "`quarantined`", "an operator", webhooks_limit),
        (f"`{notices}`", f"`{retry_exchange}`", f"`{notices}`", "an operator", notices_limit),
    ]
    rows += [
        (
            f"`{stream.name}`",
            f"`{exchange}`",
            format_code(keys),
            STREAM_READERS[stream.name],
            f"14 days or {stream.max_bytes // 1_000_000} MB, a stream",
        )
        for stream in topology.STREAMS
        for exchange, keys in stream.keys.items()
    ]
    return render_table(("queue", "exchange", "keys", "read by", "most messages"), rows)


def _format_bound(queue: topology.Queue) -> str:
    size = f" or {queue.max_bytes // 1_000_000} MB" if queue.max_bytes else ""
    overflow = "the oldest is dropped" if queue.drops_oldest else "more is refused"
    return f"{queue.max_length}{size}, {overflow}" if queue.max_length else "none"


def _format_tiers() -> str:
    return TIERS.format(
        tiers=", ".join(topology.RETRY_TIERS),
        limit=topology.DELIVERY_LIMIT,
        quarantine=topology.QUARANTINE,
        notices=topology.NOTICES_QUARANTINE,
        expiring=" and ".join(f"`{queue.dead_letter_queue}`" for queue in topology.QUEUES if queue.has_citizens_words),
        days=topology.QUARANTINE_MAX_AGE.days,
    )


def _render_message(kind: type[Message]) -> Iterator[str]:
    schema = build_schema(kind)
    key = "key `urgent` or `bulk`, as its lane" if kind in ON_A_LANE else f"key `{kind.KEY}`"
    yield f"### `{kind.TYPE}`, {key}"
    yield inspect.cleandoc(kind.__doc__ or "")
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
    """Return the required fields, then the optional ones, those of the same part or default together."""
    required = set(definition.get("required", ()))
    fields: dict[str, dict[str, list[str]]] = {"": {}, "optional: ": {}}
    for name, schema in definition["properties"].items():
        kind = describe_schema(schema) + _format_default(schema)
        fields["" if name in required else "optional: "].setdefault(kind, []).append(f"`{name}`")
    return "\n".join(f"- {title}{_format_fields(names)}" for title, names in fields.items() if names)


def _format_fields(names_by_kind: Mapping[str, list[str]]) -> str:
    return "; ".join(f"{', '.join(names)} {kind}".rstrip().replace(" ,", ",") for kind, names in names_by_kind.items())


def _format_default(schema: Mapping[str, Any]) -> str:
    default = schema.get("default")
    return "" if default in (None, "", [], {}) else f", otherwise `{str(default).lower()}`"


def describe_schema(schema: Mapping[str, Any]) -> str:
    """Return links to the parts of messages that a field consists of; other types are in the JSON Schemas."""
    if "anyOf" in schema:
        return " or ".join(filter(None, map(describe_schema, schema["anyOf"])))
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    item = describe_schema(schema["items"]) if schema.get("type") == "array" else ""
    return item and f"list of {item}"

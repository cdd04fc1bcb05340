"""Generator of shared/contracts/asyncapi.json: `python -m tools.asyncapi`.

A channel is a routing key of an exchange, described from Kreisfunk's side: others may subscribe to what we `send`, and
publish what we `receive`.
"""

import inspect
import json
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from shared.amqp import topology
from shared.contracts import dispatch, events, inbound, notices
from shared.contracts.envelope import CONTENT_TYPE, MESSAGES, Envelope
from shared.contracts.message import Lane, Message
from tools.schemas import CONTRACTS

Document = dict[str, Any]

FILE = CONTRACTS / "asyncapi.json"
BINDING = "0.3.0"
EXCHANGES_OF: Mapping[str, tuple[str, ...]] = {
    notices.__name__: (topology.MUNICIPAL_EVENTS, topology.API_NOTICES),
    events.__name__: (topology.EVENTS,),
    inbound.__name__: (topology.INBOUND,),
    dispatch.__name__: (topology.DISPATCH,),
}
EXCHANGES = frozenset(exchange for exchanges in EXCHANGES_OF.values() for exchange in exchanges)
ON_A_LANE = (dispatch.BroadcastBatch, dispatch.BroadcastFollowUp)
FROM_THE_DISPATCHER = (
    events.BroadcastProgressed,
    events.BroadcastFinished,
    events.DeliveryRefused,
    events.ReactionLocated,
)
ALWAYS = ("specversion", "id", "source", "type", "data")
REQUIRED: Mapping[type[Message], tuple[str, ...]] = {
    notices.NoticePublished: ("subject", "expirytime"),
    notices.NoticeUpdated: ("subject", "expirytime"),
    notices.NoticeWithdrawn: ("subject",),
}
ABOUT = """Messages of the county's WhatsApp broadcast channel, as CloudEvents 1.0 in structured JSON over AMQP 0.9.1.

Municipal systems publish on the exchange `municipal.events` and read the results, published on
`kreisfunk.events`, from the stream `municipal.answers`. Channels tagged `internal` are for Kreisfunk's own services
only. Readers ignore unknown fields; a field that becomes required, or changes, makes a new version of the type. A
message may arrive more than once: `source` and `id` together identify it."""
PUBLISH = "Persistent, with a confirm. Publish an unconfirmed message again with the same `source` and `id`."


def build_asyncapi() -> Document:
    """Return the document as plain JSON values."""
    document = {
        "asyncapi": "3.0.0",
        "info": {"title": "Kreisfunk: messages over AMQP", "version": "1", "description": ABOUT, "tags": _build_tags()},
        "defaultContentType": CONTENT_TYPE,
        "servers": {"broker": _build_server()},
        "channels": {build_channel_id(exchange, key): _build_channel(exchange, key) for exchange, key in list_routes()},
        "operations": dict(_build_operations()),
        "components": {
            "messages": {name: _build_message(kind) for name, kind in MESSAGES.items()},
            "schemas": _build_schemas(),
            "securitySchemes": {"login": {"type": "userPassword", "description": "A login from the operator."}},
        },
    }
    plain: Document = json.loads(json.dumps(document))
    return plain


def render_asyncapi() -> str:
    return json.dumps(build_asyncapi(), indent=2, ensure_ascii=False) + "\n"


def list_routes() -> dict[tuple[str, str], list[type[Message]]]:
    """Return the message types by exchange and routing key."""
    routes: dict[tuple[str, str], list[type[Message]]] = {}
    for module, exchange in ((module, exchange) for module, names in EXCHANGES_OF.items() for exchange in names):
        for kind in MESSAGES.values():
            for key in list_keys(kind) if kind.__module__ == module else ():
                routes.setdefault((exchange, key), []).append(kind)
    return routes


def list_keys(kind: type[Message]) -> tuple[str, ...]:
    return (Lane.URGENT.value, Lane.BULK.value) if kind in ON_A_LANE else (str(kind.KEY),)


def list_senders(kind: type[Message]) -> tuple[str, ...]:
    """Return the services that publish this type; none for types of municipal systems and the notices API."""
    if kind.__module__ == notices.__name__:
        return ()
    if kind.__module__ == inbound.__name__:
        return ("ingress",)
    if kind is events.BroadcastCancelled:
        return ("subscriptions", "dispatcher")  # the latter when a system publishes its event again
    return ("dispatcher" if kind in FROM_THE_DISPATCHER else "subscriptions",)


def build_channel_id(exchange: str, key: str) -> str:
    return f"{exchange}.{key}"


def _build_tags() -> list[Document]:
    return [
        {"name": "integrators", "description": "For municipal systems."},
        {"name": "internal", "description": "Between Kreisfunk's own services; no other login may use it."},
    ]


def _build_server() -> Document:
    return {
        "host": "{host}:{port}",
        "protocol": "amqp",
        "protocolVersion": "0.9.1",
        "description": "RabbitMQ.",
        "variables": {
            "host": {"default": "localhost", "description": "The operator names it."},
            "port": {"default": "5672"},
        },
        "security": [{"$ref": "#/components/securitySchemes/login"}],
    }


def _build_channel(exchange: str, key: str) -> Document:
    kinds = list_routes()[exchange, key]
    return {
        "address": key,
        "title": f"{key} on {exchange}",
        "messages": {kind.TYPE: {"$ref": f"#/components/messages/{kind.TYPE}"} for kind in kinds},
        "servers": [{"$ref": "#/servers/broker"}],
        "tags": [{"name": "integrators" if is_for_others(exchange, key) else "internal"}],
        "bindings": {"amqp": _build_exchange(exchange)},
    }


def is_for_others(exchange: str, key: str) -> bool:
    """Return whether municipal systems may publish messages with this routing key, or read them from their stream."""
    answers = next(stream for stream in topology.STREAMS if stream.name == topology.ANSWERS)
    is_answer = any(fnmatchcase(key, pattern) for pattern in answers.keys.get(exchange, ()))
    return exchange == topology.MUNICIPAL_EVENTS or is_answer


def _build_exchange(name: str) -> Document:
    kind = "direct" if name == topology.DISPATCH else "topic"
    return {
        "is": "routingKey",
        "exchange": {"name": name, "type": kind, "durable": True, "autoDelete": False, "vhost": "/"},
        "bindingVersion": BINDING,
    }


def _build_operations() -> Iterator[tuple[str, Document]]:
    for (exchange, key), kinds in list_routes().items():
        channel = build_channel_id(exchange, key)
        senders = ("notices",) if exchange == topology.API_NOTICES else list_senders(kinds[0])
        readers = [queue for queue in topology.QUEUES if is_bound(queue, exchange, key)]
        for sender in senders:
            name = "notices API" if sender == "notices" else sender
            yield f"{sender}.sends.{channel}", _build_operation("send", channel, kinds, f"The {name} publishes it.")
        for queue in readers:
            summary = f"The {queue.owner} reads it from its queue `{queue.name}`."
            yield f"{queue.owner}.receives.{channel}", _build_operation("receive", channel, kinds, summary)


def is_bound(queue: topology.Queue, exchange: str, key: str) -> bool:
    """Return whether a message with this exchange and routing key is routed to the queue."""
    return queue.exchange == exchange and any(
        pattern == key or (pattern.endswith(".#") and key.startswith(pattern[:-1])) for pattern in queue.keys
    )


def _build_operation(action: str, channel: str, kinds: list[type[Message]], summary: str) -> Document:
    bindings = {"deliveryMode": 2, "mandatory": True} if action == "send" else {"ack": True}
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "summary": summary,
        "messages": [{"$ref": f"#/channels/{channel}/messages/{kind.TYPE}"} for kind in kinds],
        "bindings": {"amqp": {**bindings, "bindingVersion": BINDING}},
        **({"description": PUBLISH} if kinds[0].__module__ == notices.__name__ else {}),
    }


def _build_message(kind: type[Message]) -> Document:
    description = inspect.getdoc(kind) or ""
    example = json.loads((CONTRACTS / "examples" / f"{kind.TYPE}.json").read_text())
    return {
        "name": kind.TYPE,
        "title": kind.__name__,
        "summary": description.partition("\n")[0],
        "description": description,
        "contentType": CONTENT_TYPE,
        "payload": _build_payload(kind),
        "examples": [{"name": "example", "payload": example}],
    }


def _build_payload(kind: type[Message]) -> Document:
    """Return the schema of the envelope, with the constraints of this type."""
    attributes = REQUIRED.get(kind, ())
    own = {
        **{name: {"type": "string"} for name in attributes},  # the envelope permits null, which means omitted
        "specversion": {"const": "1.0"},
        "type": {"const": kind.TYPE},
        "data": {"$ref": f"#/components/schemas/{kind.__name__}"},
    }
    required = [*ALWAYS, *attributes]
    return {
        "allOf": [
            {"$ref": "#/components/schemas/Envelope"},
            {"type": "object", "properties": own, "required": required},
        ]
    }


def _build_schemas() -> Document:
    kinds = [_build_attributes(), *MESSAGES.values()]
    _, schemas = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    for schema in schemas.values():
        schema["description"] = inspect.cleandoc(schema.get("description", ""))
    for attribute in schemas[Envelope.__name__]["properties"].values():
        attribute.pop("default", None)
    return schemas


def _build_attributes() -> type[msgspec.Struct]:
    """Return the envelope without its data, which has a schema of its own."""
    fields = msgspec.structs.fields(Envelope)
    shape = [(field.name, field.type) if field.required else (field.name, field.type, None) for field in fields[:-1]]
    namespace = {"__doc__": inspect.getdoc(Envelope)}
    return msgspec.defstruct(Envelope.__name__, shape, kw_only=True, omit_defaults=True, namespace=namespace)


if __name__ == "__main__":
    FILE.write_text(render_asyncapi())

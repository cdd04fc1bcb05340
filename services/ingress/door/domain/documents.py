"""The OpenAPI document of the door, from the same Structs that read and write its messages."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from services.ingress.door.domain.plain import KEY_FIELD, LONGEST_KEY, PLAIN
from services.ingress.door.domain.progress import NoticeList, Progress, State
from services.ingress.door.domain.receipts import Outlook, Outlooks, Receipt, Receipts
from services.ingress.door.domain.refusals import MEDIA_TYPE, Kind, ProblemDetails
from services.ingress.door.domain.writing import BATCH, JSON, MOST_EVENTS
from shared.contracts.envelope import CONTENT_TYPE as STRUCTURED
from shared.contracts.message import Moment
from shared.contracts.notices import NoticeId, NoticePublished, NoticeUpdated, NoticeWithdrawn
from shared.municipal.reading import MISPLACED, NOTICE_TYPES
from shared.municipal.systems import Short

VERSION = "1"
DIALECT = "https://spec.openapis.org/oas/3.1/dialect/base"
Document = dict[str, Any]
_MOMENTS = frozenset(("time", "expirytime", "expires_at", "scheduled_at"))
_PROGRESS_AS_TEXT = {"contentMediaType": JSON, "contentSchema": {"$ref": "#/components/schemas/Progress"}}


class PublishedEvent(Struct, frozen=True, kw_only=True):
    """A new notice as a CloudEvent in structured mode. `source` and `id` together are what makes it the same event."""

    specversion: Literal["1.0"]
    id: Short
    source: Short
    type: Literal["de.kreisfunk.notice.published.v1"]
    subject: NoticeId
    expirytime: Moment
    data: NoticePublished
    time: Moment | None = None
    datacontenttype: str | None = None


class UpdatedEvent(Struct, frozen=True, kw_only=True):
    """The next revision of a notice, whole."""

    specversion: Literal["1.0"]
    id: Short
    source: Short
    type: Literal["de.kreisfunk.notice.updated.v1"]
    subject: NoticeId
    expirytime: Moment
    data: NoticeUpdated
    time: Moment | None = None
    datacontenttype: str | None = None


class WithdrawnEvent(Struct, frozen=True, kw_only=True):
    """Nobody gets the notice any more."""

    specversion: Literal["1.0"]
    id: Short
    source: Short
    type: Literal["de.kreisfunk.notice.withdrawn.v1"]
    subject: NoticeId
    data: NoticeWithdrawn
    time: Moment | None = None
    datacontenttype: str | None = None


class StreamMessage(Struct, frozen=True, kw_only=True):
    """One of the server-sent events: there is one for each change, until the last."""

    event: State
    data: Annotated[str, Meta(description="The progress as JSON.", extra_json_schema=_PROGRESS_AS_TEXT)]
    id: str | UnsetType = UNSET


Key = Annotated[str, Meta(min_length=1, max_length=LONGEST_KEY)]
EVENTS = (PublishedEvent, UpdatedEvent, WithdrawnEvent)
ANSWERS = (Receipt, Receipts, Outlook, Outlooks, Progress, NoticeList, StreamMessage, ProblemDetails)
_WRITING = (
    Kind.UNREADABLE,
    Kind.UNAUTHORIZED,
    Kind.FORBIDDEN,
    Kind.TOO_SLOW,
    Kind.TOO_LARGE,
    Kind.MEDIA,
    Kind.INVALID,
    Kind.TOO_MANY,
    Kind.INTERNAL,
    Kind.UNAVAILABLE,
)
_READING = (Kind.UNAUTHORIZED, Kind.NOT_FOUND, Kind.TOO_MANY, Kind.INTERNAL, Kind.UNAVAILABLE)
_HEADERS: Mapping[Kind, str] = {
    Kind.UNAUTHORIZED: "WWW-Authenticate",
    Kind.TOO_MANY: "Retry-After",
    Kind.UNAVAILABLE: "Retry-After",
}


def openapi() -> Document:
    """The whole document, in plain JSON values."""
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": DIALECT,
        "info": {
            "title": "Kreisfunk: notices over HTTP",
            "version": VERSION,
            "description": "Publish notices to the county's WhatsApp subscribers, check them, and follow what becomes"
            " of them. Events may also be written in binary mode: attributes in `ce-` headers, `data` as the content.",
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": {
            "/notices": {"post": _writing("publish", "Publish", _published()), "get": _list()},
            "/notices/check": {"post": _writing("check", "Say what would happen, and publish nothing", _checked())},
            "/events/{event}": {"get": _follow()},
        },
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "`kreisfunk tokens create`"}
            },
        },
    }


def _schemas() -> Document:
    _, found = msgspec.json.schema_components(
        (*EVENTS, *PLAIN.values(), *ANSWERS), ref_template="#/components/schemas/{name}"
    )
    for kind in NOTICE_TYPES.values():
        found[kind.__name__]["additionalProperties"] = False
    for event in EVENTS:
        found[event.__name__]["propertyNames"] = {"pattern": "^[a-z0-9]+$", "not": {"enum": sorted(MISPLACED)}}
    for schema in [found[kind.__name__] for kind in (*EVENTS, *PLAIN.values(), *NOTICE_TYPES.values())]:
        for name in schema["properties"].keys() & _MOMENTS:
            _accept_local(schema["properties"][name])
    for schema in found.values():
        schema["description"] = inspect.cleandoc(schema.get("description", ""))
    return dict(sorted(found.items()))


def _accept_local(schema: Document) -> None:
    """A moment may also come without an offset."""
    described = [schema, *schema.get("anyOf", ())]
    for moment in [one for one in described if one.pop("format", None)]:
        moment["anyOf"] = [{"format": "date-time"}, {"pattern": "^[0-9-]{10}[T ][0-9:]{8}([.][0-9]+)?$"}]
        moment["description"] = "Without an offset it is the time of Europe/Berlin."


def _reference(kind: type[Struct]) -> Document:
    return {"$ref": f"#/components/schemas/{kind.__name__}"}


def _one_of(kinds: Sequence[type[Struct]]) -> Document:
    return {"oneOf": [_reference(kind) for kind in kinds]}


def _writing(name: str, summary: str, success: Document) -> Document:
    content = {
        STRUCTURED: _one_of(EVENTS),
        BATCH: {"type": "array", "minItems": 1, "maxItems": MOST_EVENTS, "items": _one_of(EVENTS)},
        JSON: _one_of(tuple(PLAIN.values())),
    }
    key = {
        "name": KEY_FIELD,
        "in": "header",
        "description": "Needed with plain JSON: the same key is the same event.",
        "schema": msgspec.json.schema(Key) | {"pattern": "^[!-~]([ -~]*[!-~])?$"},
    }
    return {
        "operationId": name,
        "summary": summary,
        "parameters": [key],
        "requestBody": {"required": True, "content": {media: {"schema": schema} for media, schema in content.items()}},
        "responses": {**success, **_problems(_WRITING)},
    }


def _published() -> Document:
    """A batch of several events has no location of its own."""
    location = {"Location": {"description": "Where to follow a single event.", "schema": {"type": "string"}}}
    schema = {"anyOf": [_reference(Receipt), _reference(Receipts)]}
    return {
        "202": {
            "description": "The broker has it, confirmed on disk.",
            "headers": location,
            "content": {JSON: {"schema": schema}},
        }
    }


def _checked() -> Document:
    schema = {"anyOf": [_reference(Outlook), _reference(Outlooks)]}
    return {"200": {"description": "Nothing is wrong with it.", "content": {JSON: {"schema": schema}}}}


def _list() -> Document:
    return {
        "operationId": "list",
        "summary": "What became of each notice of the last days",
        "parameters": [],
        "responses": {
            "200": {"description": "What is known.", "content": {JSON: {"schema": _reference(NoticeList)}}},
            **_problems(tuple(kind for kind in _READING if kind is not Kind.NOT_FOUND)),
        },
    }


def _follow() -> Document:
    event = {"name": "event", "in": "path", "required": True, "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"}}
    last = {
        "name": "Last-Event-ID",
        "in": "header",
        "description": "The last message of an earlier stream, to go on after it.",
        "schema": {"type": "string"},
    }
    content = {JSON: {"schema": _reference(Progress)}, "text/event-stream": {"schema": _reference(StreamMessage)}}
    return {
        "operationId": "follow",
        "summary": "What became of an event; with `Accept: text/event-stream`, each change until the last",
        "parameters": [event, last],
        "responses": {
            "200": {"description": "What is known.", "content": content},
            "204": {"description": "The stream has ended, and `Last-Event-ID` was its last message."},
            **_problems(_READING),
        },
    }


def _problems(kinds: Sequence[Kind]) -> Document:
    return {str(kind.status): _problem(kind) for kind in kinds}


def _problem(kind: Kind) -> Document:
    described: Document = {
        "description": f"{kind.title}. {kind.detail}",
        "content": {MEDIA_TYPE: {"schema": _reference(ProblemDetails)}},
    }
    if kind in _HEADERS:
        described["headers"] = {_HEADERS[kind]: {"required": True, "schema": {"type": "string"}}}
    return described

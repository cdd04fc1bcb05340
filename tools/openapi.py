"""Generator of the notices API's OpenAPI document and of the page that shows it: `python -m tools.openapi`.

Both are built from the Structs that read and write the API's messages; the service serves the files.
"""

import inspect
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import jinja2
import msgspec
from markupsafe import Markup, escape
from msgspec import UNSET, Meta, Struct, UnsetType

from services.ingress import notices
from services.ingress.notices.errors import PROBLEM_MEDIA_TYPE, ErrorType
from services.ingress.notices.parsing import BATCH, JSON, KEY_FIELD, MAX_BATCH_EVENTS, MAX_KEY_LENGTH, PLAIN_TYPES
from shared.contracts.envelope import CONTENT_TYPE as STRUCTURED
from shared.contracts.message import Moment
from shared.contracts.notices import NoticeId, NoticePublished, NoticeUpdated, NoticeWithdrawn
from shared.contracts.notices_http import (
    CheckResult,
    CheckResults,
    EventProgress,
    EventState,
    NoticeList,
    ProblemDetails,
    PublishResult,
    PublishResults,
)
from shared.notices.cloudevents import MISPLACED, NOTICE_TYPES
from shared.notices.configuration import ShortText

FOLDER = Path(notices.__file__).parent
FILE = FOLDER / "openapi.json"
PAGE = FOLDER / "docs.html"
VERSION = "1"
DIALECT = "https://spec.openapis.org/oas/3.1/dialect/base"
Document = dict[str, Any]
_LIMITS = {
    "minLength": "from {} characters",
    "maxLength": "to {} characters",
    "minimum": "from {}",
    "maximum": "to {}",
}
_TIME_FIELDS = frozenset(("time", "expirytime", "expires_at", "scheduled_at"))
_PROGRESS_AS_TEXT = {"contentMediaType": JSON, "contentSchema": {"$ref": "#/components/schemas/EventProgress"}}


class _NoticeEvent(Struct, frozen=True, kw_only=True):
    specversion: Literal["1.0"]
    id: ShortText
    source: ShortText
    subject: NoticeId
    time: Moment | None = None
    datacontenttype: str | None = None


class PublishedEvent(_NoticeEvent, frozen=True, kw_only=True):
    """A new notice as a CloudEvent in structured mode. `source` and `id` together identify the event."""

    type: Literal["de.kreisfunk.notice.published.v1"]
    expirytime: Moment
    data: NoticePublished


class UpdatedEvent(_NoticeEvent, frozen=True, kw_only=True):
    """The next revision of a notice, complete."""

    type: Literal["de.kreisfunk.notice.updated.v1"]
    expirytime: Moment
    data: NoticeUpdated


class WithdrawnEvent(_NoticeEvent, frozen=True, kw_only=True):
    """Withdrawal of a notice: it is not sent to anyone any more."""

    type: Literal["de.kreisfunk.notice.withdrawn.v1"]
    data: NoticeWithdrawn


class StreamMessage(Struct, frozen=True, kw_only=True):
    """A server-sent event; there is one for each change, until the last."""

    event: EventState
    data: Annotated[str, Meta(description="The progress as JSON.", extra_json_schema=_PROGRESS_AS_TEXT)]
    id: str | UnsetType = UNSET


Key = Annotated[str, Meta(min_length=1, max_length=MAX_KEY_LENGTH)]
EVENT_TYPES = (PublishedEvent, UpdatedEvent, WithdrawnEvent)
RESPONSE_TYPES = (
    PublishResult,
    PublishResults,
    CheckResult,
    CheckResults,
    EventProgress,
    NoticeList,
    StreamMessage,
    ProblemDetails,
)
_POST_ERRORS = (
    ErrorType.UNREADABLE,
    ErrorType.UNAUTHORIZED,
    ErrorType.FORBIDDEN,
    ErrorType.TOO_SLOW,
    ErrorType.TOO_LARGE,
    ErrorType.MEDIA,
    ErrorType.INVALID,
    ErrorType.TOO_MANY,
    ErrorType.INTERNAL,
    ErrorType.UNAVAILABLE,
)
_GET_ERRORS = (
    ErrorType.UNAUTHORIZED,
    ErrorType.NOT_FOUND,
    ErrorType.TOO_MANY,
    ErrorType.INTERNAL,
    ErrorType.UNAVAILABLE,
)
_HEADERS: Mapping[ErrorType, str] = {
    ErrorType.UNAUTHORIZED: "WWW-Authenticate",
    ErrorType.TOO_MANY: "Retry-After",
    ErrorType.UNAVAILABLE: "Retry-After",
}


def build_openapi() -> Document:
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
            "/notices": {"post": _describe_post("publish", "Publish", _describe_published()), "get": _describe_list()},
            "/notices/check": {
                "post": _describe_post("check", "Say what would happen, and publish nothing", _describe_checked())
            },
            "/events/{event}": {"get": _describe_follow()},
        },
        "components": {
            "schemas": _build_schemas(),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "`kreisfunk tokens create`"}
            },
        },
    }


def _build_schemas() -> Document:
    _, schemas = msgspec.json.schema_components(
        (*EVENT_TYPES, *PLAIN_TYPES.values(), *RESPONSE_TYPES), ref_template="#/components/schemas/{name}"
    )
    for kind in NOTICE_TYPES.values():
        schemas[kind.__name__]["additionalProperties"] = False
    for event in EVENT_TYPES:
        schemas[event.__name__]["propertyNames"] = {"pattern": "^[a-z0-9]+$", "not": {"enum": sorted(MISPLACED)}}
    for schema in [schemas[kind.__name__] for kind in (*EVENT_TYPES, *PLAIN_TYPES.values(), *NOTICE_TYPES.values())]:
        for name in schema["properties"].keys() & _TIME_FIELDS:
            _accept_local(schema["properties"][name])
    for schema in schemas.values():
        schema["description"] = inspect.cleandoc(schema.get("description", ""))
    return dict(sorted(schemas.items()))


def _accept_local(schema: Document) -> None:
    """Allow a moment without a UTC offset."""
    variants = [schema, *schema.get("anyOf", ())]
    for moment in [variant for variant in variants if variant.pop("format", None)]:
        moment["anyOf"] = [{"format": "date-time"}, {"pattern": "^[0-9-]{10}[T ][0-9:]{8}([.][0-9]+)?$"}]
        moment["description"] = "Without an offset it is the time of Europe/Berlin."


def _make_reference(kind: type[Struct]) -> Document:
    return {"$ref": f"#/components/schemas/{kind.__name__}"}


def _make_one_of(kinds: Sequence[type[Struct]]) -> Document:
    return {"oneOf": [_make_reference(kind) for kind in kinds]}


def _describe_post(name: str, summary: str, success: Document) -> Document:
    content = {
        STRUCTURED: _make_one_of(EVENT_TYPES),
        BATCH: {"type": "array", "minItems": 1, "maxItems": MAX_BATCH_EVENTS, "items": _make_one_of(EVENT_TYPES)},
        JSON: _make_one_of(tuple(PLAIN_TYPES.values())),
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
        "responses": {**success, **_describe_errors(_POST_ERRORS)},
    }


def _describe_published() -> Document:
    """Return the 202 response; a batch of several events has no `Location`."""
    location = {"Location": {"description": "Where to follow a single event.", "schema": {"type": "string"}}}
    schema = {"anyOf": [_make_reference(PublishResult), _make_reference(PublishResults)]}
    return {
        "202": {
            "description": "The broker has it, confirmed on disk.",
            "headers": location,
            "content": {JSON: {"schema": schema}},
        }
    }


def _describe_checked() -> Document:
    schema = {"anyOf": [_make_reference(CheckResult), _make_reference(CheckResults)]}
    return {"200": {"description": "Nothing is wrong with it.", "content": {JSON: {"schema": schema}}}}


def _describe_list() -> Document:
    return {
        "operationId": "list",
        "summary": "State of each notice of the last days",
        "parameters": [],
        "responses": {
            "200": {"description": "What is known.", "content": {JSON: {"schema": _make_reference(NoticeList)}}},
            **_describe_errors(tuple(kind for kind in _GET_ERRORS if kind is not ErrorType.NOT_FOUND)),
        },
    }


def _describe_follow() -> Document:
    event = {"name": "event", "in": "path", "required": True, "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"}}
    last = {
        "name": "Last-Event-ID",
        "in": "header",
        "description": "The last message of an earlier stream, to continue after it.",
        "schema": {"type": "string"},
    }
    content = {
        JSON: {"schema": _make_reference(EventProgress)},
        "text/event-stream": {"schema": _make_reference(StreamMessage)},
    }
    return {
        "operationId": "follow",
        "summary": "Progress of an event; with `Accept: text/event-stream`, each change until the last",
        "parameters": [event, last],
        "responses": {
            "200": {"description": "What is known.", "content": content},
            "204": {"description": "The stream has ended, and `Last-Event-ID` was its last message."},
            **_describe_errors(_GET_ERRORS),
        },
    }


def _describe_errors(kinds: Sequence[ErrorType]) -> Document:
    return {str(kind.status): _describe_error(kind) for kind in kinds}


def _describe_error(kind: ErrorType) -> Document:
    response: Document = {
        "description": f"{kind.title}. {kind.detail}",
        "content": {PROBLEM_MEDIA_TYPE: {"schema": _make_reference(ProblemDetails)}},
    }
    if kind in _HEADERS:
        response["headers"] = {_HEADERS[kind]: {"required": True, "schema": {"type": "string"}}}
    return response


def render_openapi() -> str:
    return json.dumps(build_openapi(), indent=2, ensure_ascii=False) + "\n"


def render_page(document: Mapping[str, Any]) -> str:
    """Return the page of an OpenAPI document as self-contained HTML."""
    pages = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.ChainableUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    pages.filters["code"] = _mark_code
    return pages.get_template("openapi.html").render(document=document, errors=ErrorType, limits=_LIMITS)


def _mark_code(text: str) -> Markup:
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 (escaped before)


if __name__ == "__main__":
    FILE.write_text(render_openapi())
    PAGE.write_text(render_page(build_openapi()))

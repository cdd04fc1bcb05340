"""HTML page of the OpenAPI document, without external resources."""

import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from services.ingress.notices.errors import ErrorType

_STYLE = (
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "code{background:#8882;padding:0 .2em}table{border-collapse:collapse}"
    "td,th{border:1px solid #8886;padding:.2rem .5rem;text-align:left;vertical-align:top}:root{color-scheme:light dark}"
)


def render_page(document: Mapping[str, Any], others: Mapping[str, str]) -> str:
    """Return the page as HTML; `others` maps the addresses of further documents to their titles."""
    return "\n".join([*_render_page(document, others), ""])


def _render_page(document: Mapping[str, Any], others: Mapping[str, str]) -> Iterator[str]:
    title = escape(document["info"]["title"])
    yield f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
    yield f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body><main>'
    yield f"<h1>{title}</h1><p>{_render_code(document['info']['description'])}</p>"
    yield "<p>Every request needs <code>Authorization: Bearer …</code>; these documents need none.</p><ul>"
    for address, name in {"/openapi.json": "OpenAPI 3.1", **others}.items():
        yield f'<li><a href="{address}">{escape(name)}</a></li>'
    yield "</ul>"
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield from _render_operation(path, method, operation)
    yield "<h2>Errors</h2><p>Each is <code>application/problem+json</code> (RFC 9457).</p>"
    for kind in ErrorType:
        yield f'<h3 id="{kind.slug}">{kind.status} {escape(kind.title)}</h3><p>{_render_code(kind.detail)}</p>'
    yield "<h2>Contents</h2>"
    for name, schema in document["components"]["schemas"].items():
        yield from _render_schema(name, schema)
    yield "</main></body></html>"


def _render_operation(path: str, method: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield f"<h2><code>{method.upper()} {escape(path)}</code></h2><p>{_render_code(operation['summary'])}.</p>"
    for parameter in operation["parameters"]:
        said = _render_code(parameter.get("description", "as it was answered"))
        yield f"<p><code>{parameter['name']}</code> ({parameter['in']}): {said}</p>"
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        yield f"<p><code>{escape(media)}</code>: {_render_type(content['schema'])}</p>"
    yield "<table><tr><th>status</th><th>meaning</th></tr>"
    for status, answer in operation["responses"].items():
        yield f"<tr><td>{status}</td><td>{_render_code(answer['description'])}</td></tr>"
    yield "</table>"


def _render_schema(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    yield f'<h3 id="{name}">{name}</h3><p>{_render_code(schema.get("description", ""))}</p>'
    if "enum" in schema:
        yield f"<p>{_render_type(schema)}</p>"
        return
    yield "<table><tr><th>field</th><th>type</th><th></th></tr>"
    for field, kind in schema.get("properties", {}).items():
        needed = "required" if field in schema.get("required", ()) else ""
        yield f"<tr><td><code>{field}</code></td><td>{_render_type(kind)}</td><td>{needed}</td></tr>"
    yield "</table>"


def _render_type(schema: Mapping[str, Any]) -> str:
    """Return the type in words, with links to other schemas."""
    for several in ("oneOf", "anyOf"):
        if several in schema:
            return " or ".join(_render_type(one) for one in schema[several] if one.get("type") != "null")
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f'<a href="#{name}">{name}</a>'
    if "enum" in schema:
        return ", ".join(f"<code>{escape(str(value))}</code>" for value in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_render_type(schema['items'])}"
    return _render_plain_type(schema)


def _render_plain_type(schema: Mapping[str, Any]) -> str:
    word = schema.get("format", schema.get("type", "anything"))
    limits = {
        "minLength": "from {} characters",
        "maxLength": "to {} characters",
        "minimum": "from {}",
        "maximum": "to {}",
    }
    said = [text.format(schema[name]) for name, text in limits.items() if name in schema]
    said += [f"<code>{escape(schema['pattern'])}</code>"] if "pattern" in schema else []
    return ", ".join([escape(word), *said])


def _render_code(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text, quote=False))

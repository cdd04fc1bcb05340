"""Comparison of requests and answers of the notices API with its OpenAPI document during tests.

Accepted requests and all answers must be described for their operation. Rejected requests may be wrong in any way.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from types import SimpleNamespace
from typing import Any

from aiohttp import (
    ClientResponse,
    ClientSession,
    TraceConfig,
    TraceRequestChunkSentParams,
    TraceRequestEndParams,
    TraceRequestStartParams,
    TraceResponseChunkReceivedParams,
)
from jsonschema_rs import Draft202012Validator

from tests.contract_recorder.coverage import SEEN, build_answer_place
from tools.openapi import FILE

PROBLEM, STREAM = "application/problem+json", "text/event-stream"
ATTRIBUTE = "ce-"


class NotDescribedError(AssertionError):
    """The notices API does something that its document does not describe."""


class RecordedExchange:
    """A request and its answer."""

    def __init__(self, response: ClientResponse, sent: bytes) -> None:
        self.method = response.method.lower()
        self.path = response.url.path
        self.sent_headers = response.request_info.headers
        self.sent = sent
        self.status = response.status
        self.headers = response.headers
        self.media = response.content_type

    def find_problems(self, body: bytes) -> Iterator[str]:
        operation = _find_operation(self.method, self.path)
        if operation is None:
            yield from self._check_unknown(body)
            return
        answer = operation["responses"].get(str(self.status))
        if answer is None:
            yield "this status is not described"
            return
        SEEN.counts[build_answer_place(operation["operationId"], self.status)] += 1
        yield from self._check_answer(answer, body)
        if self.status < 300 and "requestBody" in operation:
            yield from self._check_request(operation["requestBody"]["content"])

    def _check_unknown(self, body: bytes) -> Iterator[str]:
        """Check pages, documents and unknown paths, where errors are problem details, too."""
        if self.status >= 400:
            yield from _find_violations(PROBLEM, _build_reference("ProblemDetails"), self.media, body)

    def _check_answer(self, answer: Mapping[str, Any], body: bytes) -> Iterator[str]:
        for name, header in answer.get("headers", {}).items():
            if header.get("required") and name not in self.headers:
                yield f"without {name}"
        content = answer.get("content", {})
        if not content and body:
            yield "has a body"
        elif content and self.media not in content:
            yield f"{self.media} is not described"
        elif self.media == STREAM:
            yield from _check_stream(content[STREAM]["schema"], body)
        elif content:
            yield from _find_violations(self.media, content[self.media]["schema"], self.media, body)

    def _check_request(self, content: Mapping[str, Any]) -> Iterator[str]:
        media = self.sent_headers.get("Content-Type", "").partition(";")[0].strip().lower()
        described, sent = media, self.sent
        if attributes := self._read_attributes():
            described = "application/cloudevents+json"
            sent = json.dumps({**attributes, "data": json.loads(self.sent)}).encode()
        if described not in content:
            yield f"accepted {media}, which is not described"
            return
        for problem in _find_violations(media, content[described]["schema"], media, sent):
            yield f"accepted, but {problem}"

    def _read_attributes(self) -> dict[str, str]:
        """Return the attributes of an event in binary mode, which the document describes in words."""
        names = {name.lower(): value for name, value in self.sent_headers.items()}
        return {name.removeprefix(ATTRIBUTE): value for name, value in names.items() if name.startswith(ATTRIBUTE)}


def trace_contract(url: str) -> TraceConfig:
    """Return the tracing of a session with the notices API at this URL. Raises NotDescribedError after an answer."""
    tracing = TraceConfig()

    async def start(_: ClientSession, context: SimpleNamespace, __: TraceRequestStartParams) -> None:
        context.sent, context.exchange = b"", None

    async def collect(_: ClientSession, context: SimpleNamespace, part: TraceRequestChunkSentParams) -> None:
        context.sent += part.chunk

    async def record(_: ClientSession, context: SimpleNamespace, end: TraceRequestEndParams) -> None:
        if str(end.url).startswith(url):
            context.exchange = RecordedExchange(end.response, context.sent)

    async def check(_: ClientSession, context: SimpleNamespace, part: TraceResponseChunkReceivedParams) -> None:
        if context.exchange is not None:
            _raise_for(context.exchange, part.chunk)

    tracing.on_request_start.append(start)
    tracing.on_request_chunk_sent.append(collect)
    tracing.on_request_end.append(record)
    tracing.on_response_chunk_received.append(check)
    return tracing


def _raise_for(exchange: RecordedExchange, body: bytes) -> None:
    if problems := list(exchange.find_problems(body)):
        raise NotDescribedError(f"{exchange.method} {exchange.path}: {exchange.status}: {'; '.join(problems)}")


def _check_stream(schema: Mapping[str, Any], body: bytes) -> Iterator[str]:
    """Check the messages of a stream; comments and reconnection times are not messages."""
    for block in body.decode().strip().split("\n\n"):
        message = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "data" in message:
            yield from _find_violations(STREAM, schema, STREAM, json.dumps(message).encode())
            yield from _find_violations(STREAM, _build_reference("EventProgress"), STREAM, message["data"].encode())


def _find_violations(expected: str, schema: Mapping[str, Any], media: str, body: bytes) -> Iterator[str]:
    if media != expected:
        yield f"is {media}, not {expected}"
        return
    for error in _build_validator(json.dumps(schema)).iter_errors(json.loads(body)):
        yield f"{'/'.join(map(str, error.instance_path))}: {error.message}"


def _find_operation(method: str, path: str) -> Mapping[str, Any] | None:
    first, _, rest = path.removeprefix("/").partition("/")
    template = "/events/{event}" if first == "events" and rest else path
    operation: Mapping[str, Any] | None = _read_document()["paths"].get(template, {}).get(method)
    return operation


def _build_reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


@cache
def _read_document() -> Mapping[str, Any]:
    document: Mapping[str, Any] = json.loads(FILE.read_text())
    return document


@cache
def _build_validator(schema: str) -> Draft202012Validator:
    whole = {**json.loads(schema), "components": _read_document()["components"]}
    return Draft202012Validator(whole, validate_formats=True)

"""HTTP server of the notices API: routes, request reading, progress streams, and problem details for errors."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import msgspec
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler

from services.ingress.notices.auth import Authenticator
from services.ingress.notices.errors import PROBLEM_MEDIA_TYPE, ApiError, ErrorType
from services.ingress.notices.metrics import NoticesApiMetrics
from services.ingress.notices.parsing import RawRequest, parse_request
from services.ingress.notices.progress import ProgressEntry
from services.ingress.notices.progress_feed import ProgressFeed
from services.ingress.notices.publishing import PublishService
from services.ingress.notices.validation import Caller
from shared import contracts
from shared.contracts.notices_http import CHECK_PATH, EVENTS_PATH, PUBLISH_PATH, CheckResults, PublishResults
from shared.runtime.client_address import Network, find_client_address
from shared.runtime.http_port import FailureLog, add_response_headers
from shared.runtime.request_metrics import get_route_path

MAX_BODY_BYTES = 256 * 1024
READ_TIMEOUT_SECONDS = 10.0
EVENT_STREAM = "text/event-stream"
RECONNECT_MILLISECONDS = 2_000
POLL_INTERVAL_SECONDS = 1.0  # how soon a lost client or a revoked token is noticed
KEEPALIVE_INTERVAL_SECONDS = 10.0
MAX_STREAM_SECONDS = 3_600.0

ASYNCAPI = Path(contracts.__file__).parent / "asyncapi.json"
_PAGE = Path(__file__).parent / "docs.html"
_DOCUMENTS: Mapping[str, Path] = {
    "/": _PAGE,
    "/docs": _PAGE,
    "/openapi.json": Path(__file__).parent / "openapi.json",
    "/asyncapi.json": ASYNCAPI,
}
_DOCUMENT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
_SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}
_ERROR_TYPES: Mapping[int, ErrorType] = {error_type.status: error_type for error_type in ErrorType}
_DETAILS: Mapping[ErrorType, str] = {
    ErrorType.NOT_FOUND: "There is no such path; none ends with a slash, and /docs lists all.",
    ErrorType.UNREADABLE: "The request line or a header is malformed, repeated or unsupported.",
}


@dataclass(frozen=True, kw_only=True)
class NoticesHandlers:
    """Handlers of all routes; `proxies` are the networks whose X-Forwarded-For is trusted."""

    authenticator: Authenticator
    publish_service: PublishService
    feed: ProgressFeed
    metrics: NoticesApiMetrics
    proxies: Sequence[Network]
    _closing: asyncio.Event = field(default_factory=asyncio.Event)
    _failures: FailureLog = field(default_factory=FailureLog)

    def build_app(self) -> web.Application:
        """Return the application with all routes. The documents hold no secrets and need no token."""
        app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[self.convert_errors])
        app.on_shutdown.append(self.close_streams)
        add_response_headers(app, _SECURITY_HEADERS)
        app.router.add_post(PUBLISH_PATH, self.publish)
        app.router.add_get(PUBLISH_PATH, self.list_notices, allow_head=False)
        app.router.add_post(CHECK_PATH, self.check)
        app.router.add_get(EVENTS_PATH + "{key:[0-9a-f]{32}}", self.follow_event, allow_head=False)
        for path, file in _DOCUMENTS.items():
            media_type = "text/html" if file.suffix == ".html" else "application/json"
            app.router.add_get(path, partial(_send_document, file.read_bytes(), media_type), allow_head=False)
        return app

    async def publish(self, request: web.Request) -> web.Response:
        """Publish; respond 202 with the URL to follow once the broker has stored the events."""
        caller = self._authenticate(request)
        parsed = parse_request(await read_api_request(request), caller.system)
        results = await self.publish_service.publish(parsed, caller)
        location = {str(hdrs.LOCATION): results[0].event} if len(results) == 1 else None
        return build_response(PublishResults(events=tuple(results)) if parsed.batch else results[0], 202, location)

    async def check(self, request: web.Request) -> web.Response:
        """Respond with what publishing would do, without publishing."""
        caller = self._authenticate(request)
        parsed = parse_request(await read_api_request(request), caller.system)
        results = await self.publish_service.check(parsed, caller)
        return build_response(CheckResults(events=tuple(results)) if parsed.batch else results[0])

    async def list_notices(self, request: web.Request) -> web.Response:
        """Respond with the progress of each notice of the system: megabytes, so few may be unread at a time."""
        caller = self._authenticate(request)
        with self.feed.reserve_watcher(caller):
            response = build_response(self.feed.list_notices(caller))
            await response.prepare(request)
            await response.write_eof()
        return response

    async def follow_event(self, request: web.Request) -> web.StreamResponse:
        """Respond with the progress as JSON, or as a stream if the client accepts one."""
        caller, key = self._authenticate(request), request.match_info["key"]
        entry = await self.feed.find(caller, key)
        if EVENT_STREAM not in request.headers.get(hdrs.ACCEPT, "").lower():
            return build_response(entry.progress)
        last_event_id = _parse_last_event_id(request)
        if last_event_id == entry.offset and entry.progress.is_final:
            return web.Response(status=204)  # tells an EventSource not to reconnect
        with self.feed.reserve_watcher(caller):
            return await self._stream(request, caller, key, last_event_id)

    async def _stream(
        self, request: web.Request, caller: Caller, key: str, last_event_id: int | None
    ) -> web.StreamResponse:
        response = web.StreamResponse(headers={hdrs.CONTENT_TYPE: EVENT_STREAM, "X-Accel-Buffering": "no"})
        await response.prepare(request)
        writing = asyncio.create_task(self._write_events(request, response, caller, key, last_event_id))
        closing = asyncio.create_task(self._closing.wait())
        try:
            await asyncio.wait((writing, closing), return_when=asyncio.FIRST_COMPLETED)
        finally:
            writing.cancel()
            closing.cancel()
        return response

    async def _write_events(
        self, request: web.Request, response: web.StreamResponse, caller: Caller, key: str, last_event_id: int | None
    ) -> None:
        last_sent_at = time.monotonic()
        deadline = last_sent_at + MAX_STREAM_SECONDS
        try:
            await response.write(f"retry: {RECONNECT_MILLISECONDS}\n\n".encode())
            async for entry in self.feed.stream_changes(caller, key, last_event_id, POLL_INTERVAL_SECONDS):
                now = time.monotonic()
                if now > deadline or request.transport is None or not self.authenticator.is_still_valid(caller):
                    return
                if entry or now - last_sent_at > KEEPALIVE_INTERVAL_SECONDS:
                    await response.write(_format_event(entry) if entry else b": nothing new\n\n")
                    last_sent_at = now
        except ConnectionError:
            return  # the client is gone

    async def close_streams(self, _: web.Application) -> None:
        """End all streams at shutdown, so that clients reconnect to another process."""
        self._closing.set()

    def _authenticate(self, request: web.Request) -> Caller:
        """Return the authenticated caller. Raises ApiError."""
        authorizations = request.headers.getall(hdrs.AUTHORIZATION, [])
        forwarded = ",".join(request.headers.getall(hdrs.X_FORWARDED_FOR, []))
        address = find_client_address(request.remote, forwarded, self.proxies)
        return self.authenticator.authenticate(authorizations[0] if len(authorizations) == 1 else None, address)

    @web.middleware
    async def convert_errors(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Convert exceptions to error responses; as the outermost middleware, let only lost connections through."""
        started = time.monotonic()
        try:
            response = await handler(request)
        except ApiError as error:
            response = build_error_response(error)
        except web.HTTPException as error:
            response = build_error_response(_convert_http_error(error))
        except ConnectionError:
            raise  # the client is gone
        except Exception as error:  # a bug: details go to the operator's log, not to the client
            self._failures.log(error)
            response = build_error_response(ApiError(ErrorType.INTERNAL))
        self.metrics.observe_request(get_route_path(request), response.status, time.monotonic() - started)
        return response


async def _send_document(body: bytes, media_type: str, _: web.Request) -> web.Response:
    headers = {"Content-Security-Policy": _DOCUMENT_POLICY}
    return web.Response(body=body, content_type=media_type, charset="utf-8", headers=headers)


def _parse_last_event_id(request: web.Request) -> int | None:
    value = request.headers.get("Last-Event-ID", "")
    return int(value) if value.isascii() and value.isdecimal() and len(value) < 19 else None


def _format_event(entry: ProgressEntry) -> bytes:
    identifier = b"id: %d\n" % entry.offset if entry.offset >= 0 else b""
    event = entry.progress.state.encode()
    return b"%bevent: %b\ndata: %b\n\n" % (identifier, event, msgspec.json.encode(entry.progress))


async def read_api_request(request: web.Request) -> RawRequest:
    """Return the headers and the whole body. Raises ApiError."""
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
        raise ApiError(ErrorType.MEDIA, "Send the content without Content-Encoding.")
    if (request.content_length or 0) > MAX_BODY_BYTES:
        raise _build_too_large_error()
    try:
        async with asyncio.timeout(READ_TIMEOUT_SECONDS):
            body = await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise _build_too_large_error() from None
    except TimeoutError:
        raise ApiError(
            ErrorType.TOO_SLOW, f"The content must arrive within {READ_TIMEOUT_SECONDS:g} seconds."
        ) from None
    except web.RequestPayloadError:
        raise ApiError(ErrorType.UNREADABLE, "The content was not transferred correctly.") from None
    return RawRequest(headers=[(name.lower(), value) for name, value in request.headers.items()], body=body)


def _build_too_large_error() -> ApiError:
    return ApiError(ErrorType.TOO_LARGE, f"The content may have at most {MAX_BODY_BYTES} bytes.")


def build_response(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(value), status=status, content_type="application/json", headers=headers
    )


def build_error_response(error: ApiError) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(error.details),
        status=error.error_type.status,
        content_type=PROBLEM_MEDIA_TYPE,
        headers=error.headers,
    )


def _convert_http_error(error: web.HTTPException) -> ApiError:
    allowed = {str(hdrs.ALLOW): error.headers[hdrs.ALLOW]} if hdrs.ALLOW in error.headers else {}
    error_type, detail = _find_error_type(error.status)
    return ApiError(error_type, detail, headers=allowed)


def _find_error_type(status: int) -> tuple[ErrorType, str]:
    """Return the type and the detail of an error outside the content; an empty detail means the usual one."""
    error_type = _ERROR_TYPES.get(status, ErrorType.UNREADABLE)
    return error_type, _DETAILS.get(error_type, "")


def respond_to_error(status: int) -> web.Response:
    """Return a problem response to malformed HTTP, without repeating any of it."""
    return build_error_response(ApiError(*_find_error_type(status)))

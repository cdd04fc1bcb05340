"""Routes to set up an account: token, app, webhook subscription, templates and pictures for their review."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import web

from simulator.access import Check, Handler, protect, respond_json
from simulator.graph.access import GraphAccess, require_id
from simulator.graph.errors import GraphError
from simulator.graph.template import MessageTemplate
from simulator.parts import SimulatorParts
from simulator.webhooks.subscription import FIELDS, verify_callback

BASE = r"/{version:v\d+\.\d+}"
OBJECT = "whatsapp_business_account"
NAME = "Kreisfunk-Simulator"
SCOPES = ("whatsapp_business_management", "whatsapp_business_messaging")
PICTURES = ("image/jpeg", "image/png")
# Meta's subcode for a picture that has not been uploaded.
UNKNOWN_HANDLE = 2494102


@dataclass
class SetupRoutes:
    """Routes of the app and of the account; their paths come before those of `GraphRoutes`."""

    parts: SimulatorParts
    access: GraphAccess
    _uploads: dict[str, str] = field(default_factory=dict, init=False)
    _handles: set[str] = field(default_factory=set, init=False)
    _serials: Iterator[int] = field(default_factory=lambda: itertools.count(1), init=False)

    def build_routes(self) -> list[web.RouteDef]:
        access = self.access
        routes: list[tuple[str, str, Handler, Check]] = [
            ("GET", "/debug_token", self.describe_token, access.check_any),
            ("GET", "/{app}/subscriptions", self.list_subscriptions, access.check_app),
            ("POST", "/{app}/subscriptions", self.subscribe_app, access.check_app),
            ("POST", "/{app}/uploads", self.begin_upload, access.check),
            ("POST", "/upload:{upload}", self.upload, access.check_upload),
            ("GET", "/{account}/subscribed_apps", self.list_apps, access.check),
            ("POST", "/{account}/subscribed_apps", self.subscribe_account, access.check),
            ("POST", "/{account}/message_templates", self.create_template, access.check),
        ]
        return [web.route(method, BASE + path, protect(handler, check)) for method, path, handler, check in routes]

    async def describe_token(self, request: web.Request) -> web.StreamResponse:
        if request.query.get("input_token") != self.access.token:
            error = {"code": 190, "message": "The access token could not be decrypted"}
            return respond_json({"data": {"error": error, "is_valid": False, "scopes": []}})
        token = {"app_id": self.parts.settings.app_id, "type": "SYSTEM_USER", "application": NAME, "expires_at": 0}
        return respond_json({"data": {**token, "is_valid": True, "scopes": SCOPES}})

    async def list_subscriptions(self, request: web.Request) -> web.StreamResponse:
        require_id(request, "app", self.parts.settings.app_id)
        subscription = self.parts.subscription
        fields = [{"name": name, "version": request.match_info["version"]} for name in sorted(subscription.fields)]
        row = {"object": OBJECT, "callback_url": subscription.callback_url, "active": True, "fields": fields}
        return respond_json({"data": [row] if subscription.callback_url else []})

    async def subscribe_app(self, request: web.Request) -> web.StreamResponse:
        """Store address and fields of the app once the handshake with the address has succeeded."""
        require_id(request, "app", self.parts.settings.app_id)
        parameters = await _read_parameters(request)
        fields = set(filter(None, parameters.get("fields", "").split(",")))
        if parameters.get("object") != OBJECT or not fields <= FIELDS:
            raise GraphError(100, "The object or one of the fields is unknown.")
        self.parts.subscription.callback_url = await self._verify(parameters, "callback_url")
        self.parts.subscription.fields = fields
        return respond_json({"success": True})

    async def list_apps(self, request: web.Request) -> web.StreamResponse:
        require_id(request, "account", self.parts.settings.waba_id)
        subscription = self.parts.subscription
        row: dict[str, object] = {
            "whatsapp_business_api_data": {"id": self.parts.settings.app_id, "name": NAME, "link": ""}
        }
        if subscription.override_url:
            row["override_callback_uri"] = subscription.override_url
        return respond_json({"data": [row] if subscription.account_subscribed else []})

    async def subscribe_account(self, request: web.Request) -> web.StreamResponse:
        """Send the account's events to the app, or to the account's own address if it has one."""
        require_id(request, "account", self.parts.settings.waba_id)
        parameters = await _read_parameters(request)
        self.parts.subscription.override_url = (
            await self._verify(parameters, "override_callback_uri") if "override_callback_uri" in parameters else None
        )
        self.parts.subscription.account_subscribed = True
        return respond_json({"success": True})

    async def create_template(self, request: web.Request) -> web.StreamResponse:
        """Accept a template for review, which approves it after `review_seconds`."""
        require_id(request, "account", self.parts.settings.waba_id)
        try:
            template = msgspec.json.decode(await request.read(), type=MessageTemplate)
        except msgspec.MsgspecError as error:
            raise GraphError(100, str(error)) from error
        self._check_handles(template)
        self.parts.templates.submit(template)
        self.parts.timeline.schedule(
            self.parts.clock() + self.parts.settings.review_seconds, lambda: self._approve(template)
        )
        return respond_json({"id": template.id, "status": template.status, "category": template.category})

    async def begin_upload(self, request: web.Request) -> web.StreamResponse:
        require_id(request, "app", self.parts.settings.app_id)
        parameters = await _read_parameters(request)
        if parameters.get("file_type") not in PICTURES:
            raise GraphError(131053, "Files of this type are not supported.")
        upload = str(next(self._serials))
        self._uploads[upload] = parameters.get("file_length", "")
        return respond_json({"id": f"upload:{upload}"})

    async def upload(self, request: web.Request) -> web.StreamResponse:
        length = self._uploads.pop(request.match_info["upload"], None)
        if length is None or str(len(await request.read())) != length:
            raise GraphError(100, "The upload is unknown, or the file does not have the announced length.")
        handle = f"4::{next(self._serials)}"
        self._handles.add(handle)
        return respond_json({"h": handle})

    def _check_handles(self, template: MessageTemplate) -> None:
        for component in template.components:
            if component.type.upper() == "HEADER" and component.format not in (None, "TEXT"):
                handles = component.example.get("header_handle", []) if isinstance(component.example, dict) else []
                if not handles or not self._handles.issuperset(handles):
                    raise GraphError(100, "The picture of the header was not uploaded.", subcode=UNKNOWN_HANDLE)

    def _approve(self, template: MessageTemplate) -> None:
        if template.status == "PENDING":
            template.status = "APPROVED"
            self.parts.notifier.notify_template_status(template)

    async def _verify(self, parameters: Mapping[str, str], name: str) -> str:
        """Return the address in this parameter; raise Meta's error 2200 if the handshake with it fails."""
        url = parameters.get(name, "")
        handshake = await verify_callback(self.parts.session, url, parameters.get("verify_token", ""))
        if not handshake.verified:
            status = f"HTTP Status Code = {handshake.status or 0}"
            raise GraphError(2200, f"Callback verification failed with the following errors: {status}")
        return url


async def _read_parameters(request: web.Request) -> dict[str, str]:
    """Return the parameters of the query and of the body, which may be a form or JSON, as at Meta."""
    body = await request.read()
    try:
        values = msgspec.json.decode(body, type=dict[str, Any]) if request.content_type == "application/json" else {}
    except msgspec.MsgspecError as error:
        raise GraphError(100, "The body is not an object.") from error
    form = await request.post() if not values else {}
    return {name: str(value) for name, value in (*request.query.items(), *values.items(), *form.items())}

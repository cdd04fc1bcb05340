"""Routes of the Graph API: messages, number info, templates and contact book."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import web

from simulator.access import protect, respond_json
from simulator.graph.access import GraphAccess, require_id
from simulator.graph.errors import GraphError, build_missing_parameter, build_not_found
from simulator.graph.messages import MessagesRoute
from simulator.graph.setup_routes import BASE
from simulator.graph.template import MessageTemplate
from simulator.parts import SimulatorParts

DEFAULT_PAGE_SIZE = 25
MAX_PAGE_SIZE = 1000
MIN_HIGH_THROUGHPUT = 1000
DEFAULT_TEMPLATE_FIELDS = ("id", "name", "status", "category", "language", "parameter_format", "components")
DEFAULT_NUMBER_FIELDS = ("id", "display_phone_number", "verified_name", "quality_rating")


@dataclass
class GraphRoutes:
    """All routes under /{version}/."""

    parts: SimulatorParts
    access: GraphAccess

    def build_routes(self) -> list[web.RouteDef]:
        routes = [
            ("GET", "/{account}/message_templates", self.list_templates),
            ("GET", "/{account}/phone_numbers", self.list_numbers),
            ("DELETE", "/{number}/contact_book", self.delete_contact),
            ("GET", "/{object}", self.describe),
            ("*", "/{unknown:.*}", _refuse_unknown_path),
        ]
        return [
            web.post(BASE + "/{object}/messages", MessagesRoute(self.parts, self.access).handle),
            *(web.route(method, BASE + path, protect(handler, self.access.check)) for method, path, handler in routes),
        ]

    async def list_templates(self, request: web.Request) -> web.StreamResponse:
        require_id(request, "account", self.parts.settings.waba_id)
        matching = [template for template in self.parts.templates.all if _is_match(template, request)]
        start, size = _parse_page(request)
        fields = _parse_fields(request, DEFAULT_TEMPLATE_FIELDS)
        rows = [_select_fields(msgspec.to_builtins(template), fields) for template in matching[start : start + size]]
        return respond_json({"data": rows, "paging": _build_paging(request, start, len(rows), len(matching))})

    async def list_numbers(self, request: web.Request) -> web.StreamResponse:
        require_id(request, "account", self.parts.settings.waba_id)
        row = _select_fields(self._describe_number(), _parse_fields(request, DEFAULT_NUMBER_FIELDS))
        return respond_json({"data": [row], "paging": _build_paging(request, 0, 1, 1)})

    async def describe(self, request: web.Request) -> web.StreamResponse:
        """Return the business number or the account: Meta uses one path for both."""
        identifier = request.match_info["object"]
        if identifier == self.parts.settings.phone_number_id:
            return respond_json(_select_fields(self._describe_number(), _parse_fields(request, DEFAULT_NUMBER_FIELDS)))
        if identifier == self.parts.settings.waba_id:
            return respond_json(_select_fields(self._describe_account(), _parse_fields(request, ("id", "name"))))
        raise build_not_found()

    async def delete_contact(self, request: web.Request) -> web.StreamResponse:
        """Delete the pair of number and user id that Meta stores for a person."""
        require_id(request, "number", self.parts.settings.phone_number_id)
        citizen = self.parts.citizens.find_by_user_id(request.query.get("bsuid", ""))
        if request.query.get("messaging_product") != "whatsapp" or citizen is None:
            raise build_missing_parameter("bsuid")
        citizen.in_contact_book = False
        return respond_json({"success": True})

    def _describe_number(self) -> dict[str, Any]:
        level = "HIGH" if self.parts.settings.messages_per_second >= MIN_HIGH_THROUGHPUT else "STANDARD"
        return {
            "id": self.parts.settings.phone_number_id,
            "display_phone_number": f"+{self.parts.settings.display_phone_number}",
            "verified_name": "Kreisfunk-Simulator",
            "quality_rating": "GREEN",
            "status": "CONNECTED",
            "name_status": "APPROVED",
            "platform_type": "CLOUD_API",
            "code_verification_status": "VERIFIED",
            "throughput": {"level": level},
            "messaging_limit_tier": "TIER_UNLIMITED",
            "whatsapp_business_manager_messaging_limit": "TIER_UNLIMITED",
            "health_status": self._describe_health(),
        }

    def _describe_account(self) -> dict[str, Any]:
        return {
            "id": self.parts.settings.waba_id,
            "name": "Kreisfunk-Simulator",
            "account_review_status": "APPROVED",
            "business_verification_status": "verified",
            "health_status": self._describe_health(),
        }

    def _describe_health(self) -> dict[str, Any]:
        entities = {"PHONE_NUMBER": self.parts.settings.phone_number_id, "WABA": self.parts.settings.waba_id}
        rows = [{"entity_type": name, "id": id_, "can_send_message": "AVAILABLE"} for name, id_ in entities.items()]
        return {"can_send_message": "AVAILABLE", "entities": rows}


async def _refuse_unknown_path(_: web.Request) -> web.StreamResponse:
    raise GraphError(2500, "This path does not exist.")


def _is_match(template: MessageTemplate, request: web.Request) -> bool:
    filters = {name: request.query.get(name) for name in ("name", "language", "status", "category")}
    return all(value is None or getattr(template, name) == value for name, value in filters.items())


def _parse_fields(request: web.Request, default: Sequence[str]) -> Sequence[str]:
    fields = request.query.get("fields")
    return ["id", *fields.split(",")] if fields else default


def _select_fields(row: dict[str, Any], fields: Sequence[str]) -> dict[str, Any]:
    return {name: row[name] for name in fields if name in row}


def _parse_page(request: web.Request) -> tuple[int, int]:
    """Return the position of the first row, which is what our cursors say, and the number of rows."""
    limit = _parse_number(request, "limit", DEFAULT_PAGE_SIZE)
    if not 1 <= limit <= MAX_PAGE_SIZE:
        raise GraphError(100, f"limit must be a number from 1 to {MAX_PAGE_SIZE}.")
    return _parse_number(request, "after", 0), limit


def _parse_number(request: web.Request, name: str, default: int) -> int:
    text = request.query.get(name) or str(default)
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise GraphError(100, f"{name} is not valid.")
    return int(text)


def _build_paging(request: web.Request, start: int, count: int, total: int) -> dict[str, Any]:
    after = str(start + count)
    paging: dict[str, Any] = {"cursors": {"before": str(start), "after": after}}
    if start + count < total:
        paging["next"] = str(request.url.update_query(after=after))
    return paging

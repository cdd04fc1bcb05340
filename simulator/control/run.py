"""Control API of account, faults, templates and webhook handshake, and the live event stream."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

import aiohttp
from aiohttp import web

from simulator.access import ControlError, respond_json
from simulator.citizens import BusinessMessage, UserMessage
from simulator.control.requests import AccountAnnouncement, TemplateStatus, Tier, parse_number, read_body
from simulator.faults import Faults
from simulator.parts import SimulatorParts
from simulator.phones import Watcher
from simulator.webhooks.subscription import verify_callback

MAX_ROWS = 10_000
MAX_WATCHED = 100
HEARTBEAT_INTERVAL_SECONDS = 15
HEARTBEAT = b": still here\n\n"
# `delivery` is the sender's own id of a message.
MESSAGE_FIELDS = ("sequence", "citizen", "delivery", "type", "template", "accepted_at", "state", "vanished")
WRITTEN_FIELDS = ("type", "written_at", "answered_at")
T = TypeVar("T")


@dataclass
class RunControl:
    """Handlers of the message log, the faults, the templates and the event stream."""

    parts: SimulatorParts

    def build_routes(self) -> list[web.RouteDef]:
        return [
            web.get("/simulator/account", self.show_account),
            web.get("/simulator/account/messages", self.show_messages),
            web.get("/simulator/account/attempts", self.show_attempts),
            web.get("/simulator/account/written", self.show_written),
            web.get("/simulator/account/stalls", self.show_stalls),
            web.get("/simulator/account/personal", self.show_personal_data),
            web.post("/simulator/account/changes", self.report_change),
            web.get("/simulator/faults", self.show_faults),
            web.put("/simulator/faults", self.set_faults),
            web.put("/simulator/templates/{name}", self.set_template),
            web.put("/simulator/tier", self.set_tier),
            web.post("/simulator/webhook/verification", self.verify),
            web.get("/simulator/events", self.stream),
        ]

    async def show_account(self, _: web.Request) -> web.StreamResponse:
        """Return the totals; `pending` counts updates that the business has not answered with 200 yet."""
        log, outbox = self.parts.message_log, self.parts.notifier.outbox
        webhooks = {
            "pending": self.parts.notifier.pending,
            "sent": outbox.sent,
            "posts": outbox.posts,
            "retried": outbox.retried,
        }
        rejected = {str(code): count for code, count in sorted(log.rejected.items())}
        peak = log.accepted_window.peak
        return respond_json({**log.totals, "rejected": rejected, "peak_1s": peak, "webhooks": webhooks})

    async def show_messages(self, request: web.Request) -> web.StreamResponse:
        messages = _select_page(request, self.parts.message_log.messages)
        return respond_json([_describe_fields(message, MESSAGE_FIELDS) for message in messages])

    async def show_attempts(self, request: web.Request) -> web.StreamResponse:
        return respond_json(_select_page(request, self.parts.message_log.attempts))

    async def show_written(self, request: web.Request) -> web.StreamResponse:
        written = _select_page(request, self.parts.message_log.written)
        return respond_json(
            [{"citizen": citizen.id, **_describe_fields(message, WRITTEN_FIELDS)} for citizen, message in written]
        )

    async def show_stalls(self, _: web.Request) -> web.StreamResponse:
        return respond_json([stall._asdict() for stall in self.parts.stall_watch.stalls])

    async def show_personal_data(self, _: web.Request) -> web.StreamResponse:
        """Return all identifiers of citizens, former ones included; a sender must not leave any of them readable."""
        identities = list(self.parts.citizens.list_identities())
        log = self.parts.message_log
        written = (message.wamid for _, message in log.written)
        return respond_json(
            {
                "phones": [phone for phone, _ in identities],
                "user_ids": [user_id for _, user_id in identities],
                "names": [citizen.name for citizen in self.parts.citizens],
                "message_ids": [*(message.wamid for message in log.messages), *written],
            }
        )

    async def report_change(self, request: web.Request) -> web.StreamResponse:
        """Send the business a webhook about its account; respond once the business has answered it with 200."""
        change = await read_body(request, AccountAnnouncement)
        if not self.parts.subscription.is_sent(change.field):
            raise ControlError(409, "the business has not subscribed to this field")
        accepted = asyncio.Event()
        self.parts.notifier.notify_account_change(change.field, change.value, accepted.set)
        await accepted.wait()
        return respond_json(change)

    async def show_faults(self, _: web.Request) -> web.StreamResponse:
        return respond_json(self.parts.faults.current)

    async def set_faults(self, request: web.Request) -> web.StreamResponse:
        self.parts.faults.replace(await read_body(request, Faults))
        return respond_json(self.parts.faults.current)

    async def set_template(self, request: web.Request) -> web.StreamResponse:
        """Pause, disable, reject or approve a template in all languages, and notify the business."""
        change = await read_body(request, TemplateStatus)
        templates = self.parts.templates.find_named(request.match_info["name"])
        if not templates:
            raise ControlError(404, "there is no such template")
        for template in templates:
            template.status, template.rejected_reason = change.status, change.reason
            self.parts.notifier.notify_template_status(template)
        return respond_json({"templates": len(templates)}, status=202)

    async def set_tier(self, request: web.Request) -> web.StreamResponse:
        """Notify the business of its limit of people per day; the simulator does not enforce it."""
        tier = await read_body(request, Tier)
        limit = -1 if tier.people_a_day is None else tier.people_a_day
        value = {"max_daily_conversations_per_business": limit, "max_phone_numbers_per_business": 2}
        self.parts.notifier.notify_account_change("business_capability_update", value)
        return respond_json(tier, status=202)

    async def verify(self, _: web.Request) -> web.StreamResponse:
        """Perform the handshake that Meta performs when the callback URL is saved."""
        url, token = self.parts.subscription.url or "", self.parts.settings.verify_token.get_secret_value()
        return respond_json((await verify_callback(self.parts.session, url, token))._asdict())

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Stream the content of phones as it changes: all citizens, or those in `citizens=1,2,3`."""
        watched = _parse_watched(request.query.get("citizens"))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await response.prepare(request)
        with self.parts.phones.subscribe(watched) as watcher, suppress(ConnectionError, aiohttp.ClientConnectionError):
            await _stream_events(watcher, response)
        return response


async def _stream_events(watcher: Watcher, response: web.StreamResponse) -> None:
    await response.write(HEARTBEAT)
    while not watcher.closed:
        try:
            events = await asyncio.wait_for(watcher.wait_for_events(), HEARTBEAT_INTERVAL_SECONDS)
        except TimeoutError:
            events = HEARTBEAT
        await response.write(events)


def _parse_watched(text: str | None) -> frozenset[int] | None:
    if text is None:
        return None
    ids = text.split(",")
    if len(ids) > MAX_WATCHED or not all(id_.isascii() and id_.isdigit() and len(id_) < 10 for id_ in ids):
        raise ControlError(400, f"citizens must be up to {MAX_WATCHED} numbers, separated by commas")
    return frozenset(map(int, ids))


def _select_page(request: web.Request, rows: list[T]) -> list[T]:
    after = parse_number(request, "after", 0, 10**12)
    return rows[after : after + parse_number(request, "limit", 1000, MAX_ROWS)]


def _describe_fields(message: BusinessMessage | UserMessage, names: Sequence[str]) -> dict[str, object]:
    return {**{name: getattr(message, name) for name in names}, "text": message.content.text}

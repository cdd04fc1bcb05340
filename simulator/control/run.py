"""Control API of account, faults, templates and webhook handshake, and the live event stream."""

import asyncio
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp import web
from msgspec import Struct

from simulator.account import MessageLog
from simulator.citizens import BusinessMessage, Citizen, Citizens, UserMessage
from simulator.clock import Clock
from simulator.control.access import ControlError, answer, parse_number, read_body
from simulator.control.requests import TemplateStatus, Tier
from simulator.events import EventHub, Watcher
from simulator.faults import ActiveFaults, Faults
from simulator.graph.templates import Templates
from simulator.stalls import StallWatch
from simulator.webhooks.notifier import Notifier
from simulator.webhooks.subscription import WebhookSubscription, verify_callback

MAX_ROWS = 10_000
MAX_WATCHED = 100
HEARTBEAT_INTERVAL_SECONDS = 15
HEARTBEAT = b": still here\n\n"


class MessageRow(Struct, frozen=True):
    """One accepted message.

    `delivery` is the sender's own id for it; the sender gets no answer and no webhook for a `vanished` one.
    """

    sequence: int
    citizen: int
    delivery: str | None
    type: str
    template: str | None
    text: str
    accepted_at: float
    state: str
    vanished: bool


class PersonalData(Struct, frozen=True):
    """All identifying data of citizens: a sender must not leave any of it readable anywhere."""

    phones: list[str]
    user_ids: list[str]
    names: list[str]
    message_ids: list[str]


class WrittenRow(Struct, frozen=True):
    """One message written by a citizen; `answered_at` is when the business answered its webhook with 200."""

    citizen: int
    type: str
    text: str
    written_at: float
    answered_at: float | None


@dataclass(kw_only=True)
class RunControl:
    """Handlers of the message log, the faults, the templates and the event stream."""

    clock: Clock
    citizens: Citizens
    message_log: MessageLog
    faults: ActiveFaults
    stall_watch: StallWatch
    notifier: Notifier
    templates: Templates
    hub: EventHub
    session: aiohttp.ClientSession
    subscription: WebhookSubscription
    verify_token: str

    def build_routes(self) -> list[web.RouteDef]:
        return [
            web.get("/simulator/account", self.show_account),
            web.get("/simulator/account/messages", self.show_messages),
            web.get("/simulator/account/attempts", self.show_attempts),
            web.get("/simulator/account/written", self.show_written),
            web.get("/simulator/account/stalls", self.show_stalls),
            web.get("/simulator/account/personal", self.show_personal_data),
            web.get("/simulator/faults", self.show_faults),
            web.put("/simulator/faults", self.set_faults),
            web.put("/simulator/templates/{name}", self.set_template),
            web.put("/simulator/tier", self.set_tier),
            web.post("/simulator/webhook/verification", self.verify),
            web.get("/simulator/events", self.stream),
        ]

    async def show_account(self, _: web.Request) -> web.StreamResponse:
        return answer(summarize(self.message_log, self.notifier))

    async def show_messages(self, request: web.Request) -> web.StreamResponse:
        after = parse_number(request, "after", 0, 10**12)
        limit = parse_number(request, "limit", 1000, MAX_ROWS)
        return answer([_build_row(message) for message in self.message_log.messages[after : after + limit]])

    async def show_attempts(self, request: web.Request) -> web.StreamResponse:
        after = parse_number(request, "after", 0, 10**12)
        limit = parse_number(request, "limit", 1000, MAX_ROWS)
        return answer(self.message_log.attempts[after : after + limit])

    async def show_written(self, request: web.Request) -> web.StreamResponse:
        after = parse_number(request, "after", 0, 10**12)
        limit = parse_number(request, "limit", 1000, MAX_ROWS)
        return answer([_build_written_row(*one) for one in self.message_log.written[after : after + limit]])

    async def show_stalls(self, _: web.Request) -> web.StreamResponse:
        return answer([stall._asdict() for stall in self.stall_watch.stalls])

    async def show_personal_data(self, _: web.Request) -> web.StreamResponse:
        """Return the current identifiers and those before each change of number."""
        identities = list(self.citizens.list_identities())
        written = (one.wamid for _, one in self.message_log.written)
        found = PersonalData(
            phones=[phone for phone, _ in identities],
            user_ids=[user_id for _, user_id in identities],
            names=[citizen.name for citizen in self.citizens],
            message_ids=[*(message.wamid for message in self.message_log.messages), *written],
        )
        return answer(found)

    async def show_faults(self, _: web.Request) -> web.StreamResponse:
        return answer(self.faults.current)

    async def set_faults(self, request: web.Request) -> web.StreamResponse:
        """Replace all faults; omitted ones are switched off."""
        self.faults.replace(await read_body(request, Faults))
        return answer(self.faults.current)

    async def set_template(self, request: web.Request) -> web.StreamResponse:
        """Pause, disable, reject or approve a template in all languages, and notify the business."""
        wanted = await read_body(request, TemplateStatus)
        chosen = self.templates.find_named(request.match_info["name"])
        if not chosen:
            raise ControlError(404, "there is no such template")
        for template in chosen:
            template.status, template.rejected_reason = wanted.status, wanted.reason
            self.notifier.notify_template_status(template)
        return answer({"templates": len(chosen)}, status=202)

    async def set_tier(self, request: web.Request) -> web.StreamResponse:
        """Notify the business of its limit of people per day; the simulator does not enforce it."""
        tier = await read_body(request, Tier)
        limit = -1 if tier.people_a_day is None else tier.people_a_day
        value = {"max_daily_conversations_per_business": limit, "max_phone_numbers_per_business": 2}
        self.notifier.notify_account_change("business_capability_update", value)
        return answer(tier, status=202)

    async def verify(self, _: web.Request) -> web.StreamResponse:
        """Perform the handshake that Meta performs when the callback URL is saved."""
        return answer((await verify_callback(self.session, self.subscription.url or "", self.verify_token))._asdict())

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Stream the content of phones as it changes: all citizens, or those in `citizens=1,2,3`."""
        watched = _parse_watched(request.query.get("citizens"))
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await response.prepare(request)
        with self.hub.subscribe(watched) as subscription:
            await _stream_events(subscription, response)
        return response


async def _stream_events(subscription: Watcher, response: web.StreamResponse) -> None:
    await response.write(HEARTBEAT)
    while not subscription.closed:
        try:
            events = await asyncio.wait_for(subscription.wait_for_events(), HEARTBEAT_INTERVAL_SECONDS)
        except TimeoutError:
            events = HEARTBEAT
        try:
            await response.write(events)
        except (ConnectionError, aiohttp.ClientConnectionError):
            return


def _parse_watched(given: str | None) -> frozenset[int] | None:
    if given is None:
        return None
    numbers = given.split(",")
    if len(numbers) > MAX_WATCHED or not all(one.isascii() and one.isdigit() and len(one) < 10 for one in numbers):
        raise ControlError(400, f"citizens must be up to {MAX_WATCHED} numbers with commas between")
    return frozenset(map(int, numbers))


def summarize(account: MessageLog, notifier: Notifier) -> dict[str, Any]:
    """Return the totals of the account; `pending` counts updates that the business has not answered with 200 yet."""
    outbox = notifier.outbox
    return {
        "accepted": len(account.messages),
        "attempted": account.attempted,
        "delivered": account.delivered,
        "read": account.read,
        "failed": account.failed,
        "rejected": {str(code): count for code, count in sorted(account.rejected.items())},
        "peak_1s": account.accepted_window.peak,
        "attempted_peak_1s": account.attempted_window.peak,
        "webhooks": {
            "pending": notifier.pending,
            "sent": outbox.sent,
            "posts": outbox.posts,
            "retried": outbox.retried,
        },
        "inbound": account.inbound,
    }


def _build_row(message: BusinessMessage) -> MessageRow:
    return MessageRow(
        sequence=message.sequence,
        citizen=message.citizen,
        delivery=message.delivery,
        type=message.type,
        template=message.template,
        text=message.content.text,
        accepted_at=message.accepted_at,
        state=message.state.value,
        vanished=message.vanished,
    )


def _build_written_row(citizen: Citizen, written: UserMessage) -> WrittenRow:
    return WrittenRow(
        citizen=citizen.id,
        type=written.type,
        text=written.content.text,
        written_at=written.written_at,
        answered_at=written.answered_at,
    )

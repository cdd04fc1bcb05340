"""Control API of the citizens: add them, list them, read their phones, make them act."""

import asyncio
from dataclasses import dataclass, field

from aiohttp import web

from simulator.access import ControlError, respond_json
from simulator.citizens import Citizen, Sharing
from simulator.control.citizen_actions import CitizenActions
from simulator.control.requests import (
    ActionRequest,
    AddCitizens,
    BroadcastWriting,
    NewNumber,
    PreferenceRequest,
    parse_number,
    read_body,
)
from simulator.parts import SimulatorParts
from simulator.phones import build_entry


@dataclass
class CitizenControl:
    """Handlers under /simulator/citizens, and /simulator/broadcast, which makes many citizens write.

    Call `stop` before shutting down the application.
    """

    parts: SimulatorParts
    _running: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._actions = CitizenActions(self.parts)

    def build_routes(self) -> list[web.RouteDef]:
        base = "/simulator/citizens"
        return [
            web.post(base, self.add),
            web.get(base, self.show),
            web.get(base + "/{citizen}/messages", self.list_messages),
            web.post(base + "/{citizen}/messages", self.write),
            web.post(base + "/{citizen}/number", self.change_number),
            web.post(base + "/{citizen}/preferences", self.prefer),
            web.post("/simulator/broadcast", self.broadcast),
        ]

    async def add(self, request: web.Request) -> web.StreamResponse:
        added = self.parts.citizens.add(_list_sharings(await read_body(request, AddCitizens)))
        return respond_json({"citizens": [_describe(citizen) for citizen in added]}, status=201)

    async def show(self, request: web.Request) -> web.StreamResponse:
        """Return all citizens, or those whose name or number contains `search`; `offset` and `limit` page."""
        search = request.query.get("search", "").strip().lower()
        citizens = self.parts.citizens
        matching = [each for each in citizens if search in each.name.lower() or search in each.phone]
        offset = parse_number(request, "offset", 0, len(matching))
        limit = parse_number(request, "limit", len(matching), 100_000)
        rows = [_describe(citizen) for citizen in matching[offset : offset + limit]]
        return respond_json({"citizens": rows, "total": len(matching)})

    async def list_messages(self, request: web.Request) -> web.StreamResponse:
        """Return the chat in order, as far back as the phone stores it."""
        chat = self._find_requested(request).chat
        return respond_json({"messages": [build_entry(number, message) for number, message in chat]})

    async def write(self, request: web.Request) -> web.StreamResponse:
        citizen = self._find_requested(request)
        return respond_json({"id": self._actions.write(citizen, await read_body(request, ActionRequest))}, status=202)

    async def change_number(self, request: web.Request) -> web.StreamResponse:
        citizen = self._find_requested(request)
        change = await read_body(request, NewNumber) if request.can_read_body else NewNumber()
        self._actions.change_number(citizen, older_shape=change.older_shape)
        return respond_json(_describe(citizen), status=202)

    async def prefer(self, request: web.Request) -> web.StreamResponse:
        citizen = self._find_requested(request)
        self._actions.prefer(citizen, (await read_body(request, PreferenceRequest)).value)
        return respond_json({}, status=202)

    async def broadcast(self, request: web.Request) -> web.StreamResponse:
        """Make many citizens write, in the background."""
        body = await read_body(request, BroadcastWriting)
        citizens = list(self.parts.citizens) if body.citizens == "all" else [self._find(id_) for id_ in body.citizens]
        task = asyncio.create_task(self._write_all(citizens, ActionRequest(text=body.text), body.per_second))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return respond_json({"citizens": len(citizens)}, status=202)

    async def stop(self) -> None:
        """Cancel broadcasts that are still running."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _write_all(self, citizens: list[Citizen], action: ActionRequest, per_second: float) -> None:
        started = self.parts.clock()
        for index, citizen in enumerate(citizens):
            wait = started + index / per_second - self.parts.clock()
            # For waits of a few milliseconds a timer costs more than it gains.
            if wait > 0.005:
                await asyncio.sleep(wait)
            elif index % 100 == 99:
                await asyncio.sleep(0)
            self._actions.write(citizen, action)

    def _find_requested(self, request: web.Request) -> Citizen:
        identifier = request.match_info["citizen"]
        if not identifier.isascii() or not identifier.isdigit() or len(identifier) > 9:
            raise ControlError(404, "there is no such citizen")
        return self._find(int(identifier))

    def _find(self, identifier: int) -> Citizen:
        citizen = self.parts.citizens.find(identifier)
        if citizen is None:
            raise ControlError(404, "there is no such citizen")
        return citizen


def _list_sharings(body: AddCitizens) -> list[Sharing]:
    special = body.bsuid_only + body.bsuid_in_from
    if special > body.count:
        raise ControlError(400, "bsuid_only and bsuid_in_from together may not exceed count")
    return (
        [Sharing.PHONE] * (body.count - special)
        + [Sharing.USER_ID_AS_NUMBER] * body.bsuid_in_from
        + [Sharing.USER_ID_ONLY] * body.bsuid_only
    )


def _describe(citizen: Citizen) -> dict[str, object]:
    return {
        "id": citizen.id,
        "name": citizen.name,
        "phone": citizen.phone,
        "user_id": citizen.user_id,
        "sharing": citizen.sharing.value,
        "in_contact_book": citizen.in_contact_book,
    }

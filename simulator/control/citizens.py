"""Control of the citizens: add, list, read their phones, let them act."""

import asyncio
from dataclasses import dataclass, field

from aiohttp import web

from simulator.citizens import Citizen, Citizens, PhonesExhaustedError, Sharing
from simulator.clock import Clock
from simulator.control.access import ControlError, answer, number, read
from simulator.control.requests import AddCitizens, BroadcastWriting, NewNumber, Preference, Write
from simulator.control.writing import Writing, WritingError
from simulator.phones import entries


@dataclass(kw_only=True)
class CitizenControl:
    """The paths under /simulator/citizens, and the broadcast of many writing citizens."""

    clock: Clock
    citizens: Citizens
    writing: Writing
    _running: set[asyncio.Task[None]] = field(default_factory=set)

    def routes(self) -> list[web.RouteDef]:
        base = "/simulator/citizens"
        return [
            web.post(base, self.add),
            web.get(base, self.show),
            web.get(base + "/{citizen}/messages", self.messages),
            web.post(base + "/{citizen}/messages", self.write),
            web.post(base + "/{citizen}/number", self.change_number),
            web.post(base + "/{citizen}/preferences", self.prefer),
            web.post("/simulator/broadcast", self.broadcast),
        ]

    async def add(self, request: web.Request) -> web.StreamResponse:
        wanted = await read(request, AddCitizens)
        try:
            added = self.citizens.add(_sharings(wanted))
        except PhonesExhaustedError:
            raise ControlError(409, "there are no fictional numbers left") from None
        return answer({"citizens": [_describe(citizen) for citizen in added]}, status=201)

    async def show(self, request: web.Request) -> web.StreamResponse:
        """All citizens, or those whose name or number contains `search`; `offset` and `limit` page."""
        search = request.query.get("search", "").strip().lower()
        found = [citizen for citizen in self.citizens if _matches(citizen, search)]
        offset = number(request, "offset", 0, len(found))
        limit = number(request, "limit", len(found), 100_000)
        rows = [_describe(citizen) for citizen in found[offset : offset + limit]]
        return answer({"citizens": rows, "total": len(found)})

    async def messages(self, request: web.Request) -> web.StreamResponse:
        return answer({"messages": entries(self._citizen(request))})

    async def write(self, request: web.Request) -> web.StreamResponse:
        citizen = self._citizen(request)
        act = await read(request, Write)
        try:
            return answer({"id": self.writing.write(citizen, act)}, status=202)
        except WritingError as error:
            raise ControlError(409, str(error)) from error

    async def change_number(self, request: web.Request) -> web.StreamResponse:
        citizen = self._citizen(request)
        wanted = await read(request, NewNumber) if request.can_read_body else NewNumber()
        try:
            self.writing.change_number(citizen, older_shape=wanted.older_shape)
        except WritingError as error:
            raise ControlError(409, str(error)) from error
        except PhonesExhaustedError:
            raise ControlError(409, "there are no fictional numbers left") from None
        return answer(_describe(citizen), status=202)

    async def prefer(self, request: web.Request) -> web.StreamResponse:
        citizen = self._citizen(request)
        self.writing.prefer(citizen, (await read(request, Preference)).value)
        return answer({}, status=202)

    async def broadcast(self, request: web.Request) -> web.StreamResponse:
        """Lets many citizens write, in the background."""
        wanted = await read(request, BroadcastWriting)
        chosen = list(self.citizens) if wanted.citizens == "all" else [self._find(one) for one in wanted.citizens]
        task = asyncio.create_task(self._write_all(chosen, Write(text=wanted.text), wanted.per_second))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return answer({"citizens": len(chosen)}, status=202)

    async def stop(self) -> None:
        """Ends the broadcasts that still run."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _write_all(self, chosen: list[Citizen], act: Write, per_second: float) -> None:
        started = self.clock()
        for position, citizen in enumerate(chosen):
            early = started + position / per_second - self.clock()
            # Below a few milliseconds a timer costs more than the wait is worth.
            if early > 0.005:
                await asyncio.sleep(early)
            elif position % 100 == 99:
                await asyncio.sleep(0)
            self.writing.write(citizen, act)

    def _citizen(self, request: web.Request) -> Citizen:
        given = request.match_info["citizen"]
        if not given.isascii() or not given.isdigit() or len(given) > 9:
            raise ControlError(404, "there is no such citizen")
        return self._find(int(given))

    def _find(self, citizen: int) -> Citizen:
        found = self.citizens.find(citizen)
        if found is None:
            raise ControlError(404, "there is no such citizen")
        return found


def _sharings(wanted: AddCitizens) -> list[Sharing]:
    special = wanted.bsuid_only + wanted.bsuid_in_from
    if special > wanted.count:
        raise ControlError(400, "bsuid_only and bsuid_in_from together may not exceed count")
    return (
        [Sharing.PHONE] * (wanted.count - special)
        + [Sharing.USER_ID_AS_NUMBER] * wanted.bsuid_in_from
        + [Sharing.USER_ID_ONLY] * wanted.bsuid_only
    )


def _matches(citizen: Citizen, search: str) -> bool:
    return not search or search in citizen.name.lower() or search in citizen.phone


def _describe(citizen: Citizen) -> dict[str, object]:
    return {
        "id": citizen.id,
        "name": citizen.name,
        "phone": citizen.phone,
        "user_id": citizen.user_id,
        "sharing": citizen.sharing.value,
        "in_contact_book": citizen.in_contact_book,
    }

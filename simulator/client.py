"""Client of the simulator's control API, as far as demo, faults and tests need it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from simulator.clock import Stall

ROWS_PER_PAGE = 5000
FAILED = "failed"
DELIVERED_STATES = frozenset({"delivered", "read"})
ACCEPTED_STATES = frozenset({"accepted", "sent", "delivered", "read"})


@dataclass(frozen=True)
class AcceptedMessage:
    """A message that the simulator accepted; `delivery` is our id for it, times in seconds since 1970.

    For one that `vanished` there was neither a response nor a status.
    """

    citizen: int
    delivery: str
    template: bool
    text: str
    accepted_at: float
    state: str
    vanished: bool = False


@dataclass(frozen=True)
class SimulatorClient:
    session: aiohttp.ClientSession
    url: str

    async def add_citizens(self, count: int, *, bsuid_only: int) -> list[int]:
        """Add citizens and return their ids; the last `bsuid_only` of them share no phone number."""
        answer = await self._call("POST", "citizens", {"count": count, "bsuid_only": bsuid_only})
        return [citizen["id"] for citizen in answer["citizens"]]

    async def send_text(self, citizens: Sequence[int], text: str, *, per_second: float) -> None:
        """Make citizens send a text, one after another, in the background."""
        await self._call("POST", "broadcast", {"text": text, "citizens": list(citizens), "per_second": per_second})

    async def set_faults(self, faults: Mapping[str, object]) -> None:
        """Replace the simulator's injected faults with exactly these."""
        await self._call("PUT", "faults", faults)

    async def set_tier(self, people_a_day: int | None) -> None:
        """Set the messaging limit in people per day, None for no limit; the business is notified."""
        await self._call("PUT", "tier", {"people_a_day": people_a_day})

    async def report_account_change(self, field: str, value: Mapping[str, object]) -> None:
        """Send the business a webhook about its account; return once the business has answered it with 200."""
        await self._call("POST", "account/changes", {"field": field, "value": value})

    async def fetch_account(self) -> dict[str, Any]:
        answer: dict[str, Any] = await self._call("GET", "account")
        return answer

    async def count_accepted(self) -> int:
        accepted: int = (await self.fetch_account())["accepted"]
        return accepted

    async def change_number(self, citizen: int) -> None:
        """Give a citizen a new phone number and user id."""
        await self._call("POST", f"citizens/{citizen}/number")

    async def list_citizens(self) -> list[dict[str, Any]]:
        """Return all citizens: id, phone, user_id, sharing, in_contact_book."""
        citizens: list[dict[str, Any]] = (await self._call("GET", "citizens"))["citizens"]
        return citizens

    async def fetch_outbound(self, after: int = 0) -> list[AcceptedMessage]:
        """Return every accepted message in order, skipping the first `after` ones."""
        return [_parse_outbound(row) for row in await self._fetch_pages("messages", after)]

    async def fetch_attempts(self) -> list[float]:
        """Return the arrival time of each request, rejected ones included, in seconds since 1970."""
        return await self._fetch_pages("attempts")

    async def fetch_inbound(self) -> list[dict[str, Any]]:
        """Return every message written by a citizen, in order: citizen, text, written_at, answered_at."""
        return await self._fetch_pages("written")

    async def fetch_personal_values(self) -> dict[str, list[str]]:
        """Return every phone number, user id, name and message id that ever existed."""
        values: dict[str, list[str]] = await self._call("GET", "account/personal")
        return values

    async def fetch_stalls(self) -> list[Stall]:
        """Return the periods in which the simulator itself was stalled."""
        return [Stall(**row) for row in await self._call("GET", "account/stalls")]

    async def _fetch_pages(self, name: str, after: int = 0) -> list[Any]:
        rows: list[Any] = []
        while page := await self._call("GET", f"account/{name}?after={after + len(rows)}&limit={ROWS_PER_PAGE}"):
            rows += page
        return rows

    async def _call(self, method: str, path: str, body: object = None) -> Any:
        async with self.session.request(method, f"{self.url}/simulator/{path}", json=body) as response:
            response.raise_for_status()
            return await response.json()


def _parse_outbound(row: dict[str, Any]) -> AcceptedMessage:
    return AcceptedMessage(
        citizen=row["citizen"],
        delivery=row["delivery"] or "",
        template=row["type"] == "template",
        text=row["text"],
        accepted_at=row["accepted_at"],
        state=row["state"],
        vanished=row["vanished"],
    )


@asynccontextmanager
async def open_simulator_client(url: str, control_token: str) -> AsyncIterator[SimulatorClient]:
    headers = {"Authorization": f"Bearer {control_token}"}
    async with aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(60)) as session:
        yield SimulatorClient(session, url)

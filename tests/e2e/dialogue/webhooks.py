"""Webhooks as Meta might deliver them at its worst: to any replica, several times, in any order."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import aiohttp

from deploy.local.stack import Stack
from deploy.secrets import APP_SECRETS
from simulator.webhooks.batches import HEADER, sign
from tests.e2e.dialogue.harness import CitizenPhone, DialogueHarness
from tests.factories.webhooks import build_messages_body


@dataclass(frozen=True)
class CitizenText:
    """One message with its own id."""

    wamid: str
    sender: dict[str, Any]
    text: str
    at: int

    @property
    def item(self) -> dict[str, Any]:
        shares = self.sender["sharing"] != "bsuid_only"
        who = {"from": self.sender["phone"] if shares else None, "from_user_id": self.sender["user_id"]}
        said = {"type": "text", "text": {"body": self.text}, "timestamp": str(self.at), "id": self.wamid}
        return {name: value for name, value in {**said, **who}.items() if value}


async def build_text(phone: CitizenPhone, number: int, text: str, at: int) -> CitizenText:
    return CitizenText(f"wamid.at-once-{phone.id}-{number}", await phone.fetch_identity(), text, at)


async def post_webhook(stack: Stack, body: bytes, *, secret: bytes = b"", replica: int = 0) -> int:
    """Post it as Meta does, unless with another secret; return the status."""
    known = (stack.folder / "secrets" / APP_SECRETS).read_bytes().split()[0]
    headers = {HEADER: sign(secret or known, body), "Content-Type": "application/json"}
    async with (
        aiohttp.ClientSession() as meta,
        meta.post(f"{stack.ingress_urls[replica]}/webhook", data=body, headers=headers) as answer,
    ):
        return answer.status


async def deliver(system: DialogueHarness, body: bytes, replica: int = 0) -> None:
    """Posted until it is taken, as Meta does it."""
    assert await post_webhook(system.stack, body, replica=replica) == 200


async def deliver_badly(system: DialogueHarness, said: Sequence[CitizenText], random: Random) -> None:
    """Each message one to three times, in batches of any size, to any replica, all of it at once."""
    copies = [each for each in said for _ in range(random.choice((1, 2, 2, 3)))]
    random.shuffle(copies)
    batches = []
    while copies:
        size = random.randint(1, 5)
        batches.append(build_messages_body(*(each.item for each in copies[:size])))
        copies = copies[size:]
    replicas = len(system.stack.ingress_urls)
    await asyncio.gather(*(deliver(system, body, random.randrange(replicas)) for body in batches))

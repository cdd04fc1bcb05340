"""Citizens under an older and a newer index key, and the command that lifts their hashes."""

import asyncio
import os
import subprocess
import sys
from itertools import count

import msgspec

from services.ingress.domain.addresses import Rules, addresses_of
from shared.contracts.inbound import InboundMessage
from shared.sealing import IndexKey, KeyRing
from tests.databases import Database
from tests.unit.subscriptions.material import at

ROLE = "kreisfunk_rotation"
SEALING = "1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
RING = KeyRing.parse(SEALING)
OLD = IndexKey(bytes(range(32)))
NEW = IndexKey(OLD.key + bytes(32))
KNOWN = IndexKey(OLD.key, (NEW.key,))  # after `add-index`
USED = IndexKey(NEW.key, (OLD.key,))  # after `use-index`
SECONDS = count(1)


def said(text: str, citizen: int, index: IndexKey, *, phone_only: bool = False) -> InboundMessage:
    """As an ingress with this key publishes it; each is a second later than the one before."""
    seconds = next(SECONDS)
    rules = Rules(phone_number_id="1", received_at=at(seconds), seal=RING.seal, index=index)
    known = [phone_of(citizen)] if phone_only else [phone_of(citizen), f"DE.{citizen}"]
    return InboundMessage(
        message_key=index.index_once("wamid", f"{citizen} {seconds}"),
        sender=addresses_of(known, rules),
        sent_at=at(seconds),
        received_at=at(seconds + 0.3),
        kind="text",
        text=text,
    )


def phone_of(citizen: int) -> str:
    return f"4917604069{citizen:05}"


def of_phone(citizen: int) -> bytes:
    return NEW.index("phone", phone_of(citizen))


def again(message: InboundMessage, citizen: int, index: IndexKey) -> InboundMessage:
    """The same, delivered once more by Meta to an ingress with another key."""
    return msgspec.structs.replace(message, sender=said("", citizen, index).sender)


def command(database: Database, name: str, index: IndexKey) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments(name),
        env=environment(database, index),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def arguments(name: str) -> list[str]:
    return [sys.executable, "-m", "cli.main", "keys", name]


def environment(database: Database, index: IndexKey) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "KREISFUNK_DATABASE_URL": database.url_as(ROLE),
        "KREISFUNK_SEALING_KEYS": SEALING,
        "KREISFUNK_INDEX_KEY": index.text,
    }


async def rotate(database: Database, index: IndexKey = USED) -> None:
    finished = await asyncio.to_thread(command, database, "rotate-index", index)
    assert (finished.returncode, finished.stderr) == (0, "")

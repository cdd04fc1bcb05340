"""Citizens under an older and a newer index key, and the command that lifts their hashes."""

from itertools import count

import msgspec

from services.ingress.webhook.addresses import Rules, build_addresses
from shared.contracts.inbound import InboundMessage
from shared.encryption import BlindIndexKey, KeyRing
from tests.databases import FreshDatabase
from tests.factories.citizens import build_time
from tests.harness.commands import CommandResult, run_in_process

ROLE = "kreisfunk_rotation"
ENCRYPTION_KEYS = "1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
RING = KeyRing.parse(ENCRYPTION_KEYS)
OLD = BlindIndexKey(bytes(range(32)))
NEW = BlindIndexKey(OLD.key + bytes(32))
KNOWN = BlindIndexKey(OLD.key, (NEW.key,))  # after `add-index`
USED = BlindIndexKey(NEW.key, (OLD.key,))  # after `use-index`
SECONDS = count(1)
SUBSCRIBE = """
insert into subscriptions.subscriber (id, sequence, state, phone_index, phone_sealed)
values (gen_random_uuid(), 1, 'subscribed', $1, $2)
"""


def build_message(text: str, citizen: int, index: BlindIndexKey, *, phone_only: bool = False) -> InboundMessage:
    """As an ingress with this key publishes it; each is a second later than the one before."""
    seconds = next(SECONDS)
    rules = Rules(phone_number_id="1", received_at=build_time(seconds), encrypt=RING.encrypt, index=index)
    known = [build_phone(citizen)] if phone_only else [build_phone(citizen), f"DE.{citizen}"]
    return InboundMessage(
        message_key=index.compute_base_index("wamid", f"{citizen} {seconds}"),
        sender=build_addresses(known, rules),
        sent_at=build_time(seconds),
        received_at=build_time(seconds + 0.3),
        kind="text",
        text=text,
    )


def build_phone(citizen: int) -> str:
    return f"4917604069{citizen:05}"


def compute_phone_index(citizen: int) -> bytes:
    return NEW.compute_index("phone", build_phone(citizen))


def redeliver(message: InboundMessage, citizen: int, index: BlindIndexKey) -> InboundMessage:
    """The same, delivered once more by Meta to an ingress with another key."""
    return msgspec.structs.replace(message, sender=build_message("", citizen, index).sender)


async def run_keys(database: FreshDatabase, name: str, index: BlindIndexKey) -> CommandResult:
    return await run_in_process("keys", name, environment=build_environment(database, index))


def build_environment(database: FreshDatabase, index: BlindIndexKey) -> dict[str, str]:
    return {
        "KREISFUNK_DATABASE_URL": database.build_role_url(ROLE),
        "KREISFUNK_ENCRYPTION_KEYS": ENCRYPTION_KEYS,
        "KREISFUNK_INDEX_KEY": index.text,
    }


async def rotate(database: FreshDatabase, index: BlindIndexKey = USED) -> None:
    finished = await run_keys(database, "rotate-index", index)
    assert (finished.status, finished.errors) == (0, "")

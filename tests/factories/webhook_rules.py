"""Rules with real encryption, and inspection of their results."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from services.ingress.webhook.addresses import Rules
from services.ingress.webhook.events import GROUP_TYPES, Event, Finding
from services.ingress.webhook.translate import translate
from shared.contracts.inbound import WebhookQuarantined
from shared.contracts.message import Address, Addresses, Message
from shared.encryption import BlindIndexKey, KeyRing
from tests.factories.webhooks import NUMBER_ID

RING = KeyRing.parse("1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
INDEX = BlindIndexKey.parse("ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=")
RECEIVED_AT = datetime(2026, 11, 10, 8, 0, tzinfo=UTC)
RULES = Rules(phone_number_id=NUMBER_ID, received_at=RECEIVED_AT, encrypt=RING.encrypt, index=INDEX)

F = TypeVar("F", bound=Finding)


def find_all(body: bytes) -> list[Finding]:
    return list(translate(body, RULES))


def get_only(kind: type[F], findings: Sequence[Finding]) -> F:
    """Return the only finding, which must be of this kind."""
    [finding] = findings
    assert isinstance(finding, kind)
    return finding


def build_group(events: Sequence[Event]) -> Message:
    """Return the message that carries these events of one type."""
    first = events[0]
    if isinstance(first, WebhookQuarantined):
        return first
    group: Callable[..., Message] = GROUP_TYPES[type(first)]
    (field,) = GROUP_TYPES[type(first)].__struct_fields__
    return group(**{field: tuple(events)})


def decrypt_addresses(addresses: Addresses) -> tuple[str | None, str | None]:
    """Return phone number and user id."""
    return _decrypt_address(addresses.phone), _decrypt_address(addresses.user)


def _decrypt_address(address: Address | None) -> str | None:
    if address is None:
        return None
    return RING.decrypt(address.sealed, purpose=address.kind, index=address.index).decode()


def hash_wamid(wamid: str) -> bytes:
    return INDEX.compute_index("wamid", wamid)

"""Rules with real sealing, and a way to look into what they made."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TypeVar

from services.ingress.domain.addresses import Rules
from services.ingress.domain.findings import Finding
from services.ingress.domain.translate import translate
from shared.contracts.message import Address, Addresses
from shared.sealing import IndexKey, KeyRing
from tests.unit.ingress.webhooks import NUMBER_ID

RING = KeyRing.parse("1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
INDEX = IndexKey.parse("ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=")
RECEIVED_AT = datetime(2026, 11, 10, 8, 0, tzinfo=UTC)
RULES = Rules(phone_number_id=NUMBER_ID, received_at=RECEIVED_AT, seal=RING.seal, index=INDEX)

F = TypeVar("F", bound=Finding)


def findings(body: bytes) -> list[Finding]:
    return list(translate(body, RULES))


def only(kind: type[F], found: Sequence[Finding]) -> F:
    """The one finding, which must be of this kind."""
    [finding] = found
    assert isinstance(finding, kind)
    return finding


def opened(addresses: Addresses) -> tuple[str | None, str | None]:
    """Phone number and user id."""
    return _opened(addresses.phone), _opened(addresses.user)


def _opened(address: Address | None) -> str | None:
    if address is None:
        return None
    return RING.open(address.sealed, purpose=address.kind, index=address.index).decode()


def wamid_key(wamid: str) -> bytes:
    return INDEX.index("wamid", wamid)

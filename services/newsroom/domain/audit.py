"""Acts as the audit log keeps them: who did what to what."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from uuid import UUID

MAX_REASON_LENGTH = 200


@dataclass(frozen=True, kw_only=True)
class Act:
    """Act of an account, or with `account` None of the command line or the service itself.

    `action` is a name such as "draft.approved", `object` the id of a notice or the login of an account. `detail` holds
    neither passwords nor codes.
    """

    account: UUID | None
    action: str
    object: str
    detail: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def parse_reason(text: str, missing: str, refusal: type[Exception]) -> str:
    """Return the reason of an act in one line. Raises `refusal`, with the text `missing` if there is none."""
    reason = " ".join(text.split())
    if not reason:
        raise refusal(missing)
    if len(reason) > MAX_REASON_LENGTH:
        raise refusal(f"Der Grund darf höchstens {MAX_REASON_LENGTH} Zeichen haben.")
    return reason


@dataclass(frozen=True, kw_only=True)
class AuditEntry:
    """Stored act, with the name of its account, None for the command line and the service itself."""

    id: int
    at: datetime
    name: str | None
    action: str
    object: str
    detail: Mapping[str, str]

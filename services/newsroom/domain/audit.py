"""Acts as the audit log keeps them: who did what to what."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

MAX_REASON_LENGTH = 200
SAVED = "draft.saved"


@dataclass(frozen=True, kw_only=True)
class Act:
    """Act of an account, or with `account` None of the command line or the service itself.

    `action` is a name such as "draft.approved", `object` the id of a notice or the login of an account. `detail` holds
    neither passwords nor codes.
    """

    account: UUID | None
    action: str
    object: str
    detail: Mapping[str, str] = field(default_factory=dict)


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
    """Stored act, with its account and the name of that, None for the command line and the service itself.

    `times` is how many acts it stands for: this one and older ones like it.
    """

    id: int
    at: datetime
    account: UUID | None
    name: str | None
    action: str
    object: str
    detail: Mapping[str, str]
    times: int = 1

    @property
    def draft(self) -> str:
        """Return the id of the draft that it is about; empty if it is about none."""
        return self.detail.get("draft", "")


def merge_saves(entries: Sequence[AuditEntry], most: int) -> tuple[list[AuditEntry], int]:
    """Return at most so many rows for the entries, newest first, and of how many entries they are.

    What one account has saved of one draft, with no other act on that in between, is one row: pages save by themselves.
    """
    rows: list[AuditEntry] = []
    saves: dict[str, int] = {}  # by draft, the row of saves that may go on
    for read, entry in enumerate(entries):
        row = saves.get(entry.draft) if entry.action == SAVED else None
        if row is not None and rows[row].account == entry.account:
            rows[row] = replace(rows[row], times=rows[row].times + 1)
            continue
        if len(rows) == most:
            return rows, read
        saves.pop(entry.draft, None)
        if entry.action == SAVED:
            saves[entry.draft] = len(rows)
        rows.append(entry)
    return rows, len(entries)

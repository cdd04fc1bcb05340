"""Entries of the audit log: who did what to which object."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import UUID

MAX_REASON_LENGTH = 200
SAVED = "draft.saved"


@dataclass(frozen=True, kw_only=True)
class Act:
    """Act of an account; None is the command line or the service itself.

    `action` is a name such as "draft.approved", `object` the id of a notice or the login of an account. `detail` holds
    neither passwords nor codes.
    """

    account: UUID | None
    action: str
    object: str
    detail: Mapping[str, str] = field(default_factory=dict)


def parse_reason(text: str, missing: str, refusal: type[Exception]) -> str:
    """Return the reason of an act in one line; raise `refusal` if too long, or, with the text `missing`, if empty."""
    reason = " ".join(text.split())
    if not reason:
        raise refusal(missing)
    if len(reason) > MAX_REASON_LENGTH:
        raise refusal(f"Der Grund darf höchstens {MAX_REASON_LENGTH} Zeichen haben.")
    return reason


@dataclass(frozen=True, kw_only=True)
class AuditEntry:
    """Stored act, with id and name of its account, None for the command line and the service itself.

    `times` is the number of acts merged into it, itself included.
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
        """Return the id of the draft that it is about; empty if none."""
        return self.detail.get("draft", "")


def merge_saves(entries: Sequence[AuditEntry], limit: int) -> tuple[list[AuditEntry], int]:
    """Return at most `limit` rows for the entries, newest first, and the number of entries that they cover.

    Consecutive saves of a draft by the same account become one row, as the editor saves automatically.
    """
    rows: list[AuditEntry] = []
    open_rows: dict[str, int] = {}  # by draft, the index of the row into which older saves merge
    for index, entry in enumerate(entries):
        row = open_rows.get(entry.draft) if entry.action == SAVED else None
        if row is not None and rows[row].account == entry.account:
            rows[row] = replace(rows[row], times=rows[row].times + 1)
            continue
        if len(rows) == limit:
            return rows, index
        open_rows.pop(entry.draft, None)
        if entry.action == SAVED:
            open_rows[entry.draft] = len(rows)
        rows.append(entry)
    return rows, len(entries)

"""Plain JSON: a notice without an envelope. The caller's key makes it the same event each time."""

import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from shared.contracts.events import Problem
from shared.contracts.message import Moment
from shared.contracts.notices import NoticeContent, NoticeId, NoticePublished, NoticeUpdated, NoticeWithdrawn
from shared.notices.configuration import ShortText, System
from shared.notices.schema_errors import report_unknown_fields

KEY_FIELD = "Idempotency-Key"
KEY_HEADER = KEY_FIELD.lower()
MAX_KEY_LENGTH = 200
Notice = NoticePublished | NoticeUpdated | NoticeWithdrawn

_KEY = re.compile(rf"[\x21-\x7e](?:[\x20-\x7e]{{0,{MAX_KEY_LENGTH - 2}}}[\x21-\x7e])?")
_NAMES = {"expirytime": "expires_at", "id": KEY_FIELD, "subject": "notice", "type": "action"}
_FIELD_HINTS = {theirs: f'"{ours}"' for theirs, ours in _NAMES.items()}
_MAY_BE_NULL = ("notice", "source")
_ENVELOPE = ("action", "notice", "expires_at", "source")


class PlainPublish(NoticeContent, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new notice; without `notice`, its id comes from the key. `source` is needed if the system has several."""

    expires_at: Moment
    action: Literal["publish"] = "publish"
    notice: NoticeId | None = None
    source: ShortText | None = None


class PlainUpdate(NoticeContent, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The next revision of a notice, complete."""

    action: Literal["update"]
    notice: NoticeId
    revision: Annotated[int, Meta(ge=2, le=1_000_000)]
    expires_at: Moment
    source: ShortText | None = None


class PlainWithdraw(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Withdrawal of a notice: it is not sent to anyone any more."""

    action: Literal["withdraw"]
    notice: NoticeId
    reason: Annotated[str, Meta(max_length=200)] = ""
    source: ShortText | None = None


PUBLISH = "publish"
PLAIN_TYPES: Mapping[str, type[Struct]] = {PUBLISH: PlainPublish, "update": PlainUpdate, "withdraw": PlainWithdraw}
ACTIONS: Mapping[str, type[Notice]] = {
    PUBLISH: NoticePublished,
    "update": NoticeUpdated,
    "withdraw": NoticeWithdrawn,
}


def build_event(content: Mapping[str, Any], key: str, system: System) -> tuple[bytes, tuple[Problem, ...]]:
    """Return the event in structured JSON, and the problems found so far; `key` may be empty if it is invalid.

    Invalid parts get a valid placeholder, so that the rest is still validated.
    """
    given = {name: value for name, value in content.items() if value is not None or name not in _MAY_BE_NULL}
    action = given.get("action", PUBLISH)
    kind = ACTIONS.get(action) if isinstance(action, str) else None
    known = [field.encode_name for field in msgspec.structs.fields(PLAIN_TYPES[action if kind else PUBLISH])]
    problems = [Problem(field="action", problem=f"must be one of {', '.join(ACTIONS)}")] if kind is None else []
    if "source" not in given and len(system.sources) > 1:
        problems.append(Problem(field="source", problem=f"is missing: one of {', '.join(system.sources)}"))
    unknown = [name for name in given if name not in known]
    if "revision" in unknown:
        unknown.remove("revision")
        problems.append(Problem(field="revision", problem='is for updates: leave it out, or add "action": "update"'))
    problems += report_unknown_fields(unknown, known, _FIELD_HINTS)
    return _encode_structured(given, known, kind or NoticePublished, _derive_id(key, system.name), system), tuple(
        problems
    )


def _encode_structured(
    given: Mapping[str, Any], known: Sequence[str], kind: type[Notice], hexadecimal: str, system: System
) -> bytes:
    event = {
        "specversion": "1.0",
        "id": hexadecimal[:32],
        "source": given["source"] if "source" in given else system.sources[0],
        "type": kind.TYPE,
        "datacontenttype": "application/json",
        "data": {name: value for name, value in given.items() if name in known and name not in _ENVELOPE},
    }
    subject = given.get("notice", hexadecimal[32:52] if kind is NoticePublished else None)
    times = {"expirytime": given.get("expires_at")} if kind is not NoticeWithdrawn else {}
    return msgspec.json.encode({**event, **times, **({"subject": subject} if subject is not None else {})})


def use_plain_names(problem: Problem) -> Problem:
    """Return the problem with the field names of plain JSON."""
    return Problem(
        field=_NAMES.get(problem.field, problem.field), problem=problem.problem.replace("expirytime", "expires_at")
    )


def parse_key(key: str | None) -> str:
    """Return the key without its quotes. Raises ValueError, whose text is the problem."""
    plain = (key or "").strip()
    if len(plain) > 1 and plain[0] == plain[-1] == '"':  # a string of a structured field, RFC 9651
        plain = plain[1:-1]
    if not _KEY.fullmatch(plain):
        raise ValueError("is missing" if not plain else f"must be 1 to {MAX_KEY_LENGTH} printable ASCII characters")
    return plain


def _derive_id(key: str, system: str) -> str:
    return sha256(f"{system}\0{key}".encode()).hexdigest()

"""Plain JSON: a notice without an envelope. A key of the system's own makes it the same event each time."""

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from services.ingress.door.domain.refusals import FieldError, Kind, Refusal
from shared.contracts.events import Problem
from shared.contracts.message import Moment
from shared.contracts.notices import NoticeContent, NoticeId, NoticePublished, NoticeUpdated, NoticeWithdrawn
from shared.municipal.systems import Short, System

KEY_HEADER = "idempotency-key"
LONGEST_KEY = 200
Notice = NoticePublished | NoticeUpdated | NoticeWithdrawn

_KEY = re.compile(rf"[\x21-\x7e](?:[\x20-\x7e]{{0,{LONGEST_KEY - 2}}}[\x21-\x7e])?")
_NAMES = {"expirytime": "expires_at", "id": "Idempotency-Key", "subject": "notice", "type": "action"}
_MAY_BE_NULL = ("notice", "source")
_ENVELOPE = ("action", "notice", "expires_at", "source")


class PlainPublish(NoticeContent, frozen=True, kw_only=True):
    """A new notice; without `notice`, its id comes from the key. `source` is needed if the system has several."""

    expires_at: Moment
    action: Literal["publish"] = "publish"
    notice: NoticeId | None = None
    source: Short | None = None


class PlainUpdate(NoticeContent, frozen=True, kw_only=True):
    """The next revision of a notice, whole."""

    action: Literal["update"]
    notice: NoticeId
    revision: Annotated[int, Meta(ge=2, le=1_000_000)]
    expires_at: Moment
    source: Short | None = None


class PlainWithdraw(Struct, frozen=True, kw_only=True):
    """Nobody gets the notice any more."""

    action: Literal["withdraw"]
    notice: NoticeId
    reason: Annotated[str, Meta(max_length=200)] = ""
    source: Short | None = None


ACTIONS: Mapping[str, type[Notice]] = {
    "publish": NoticePublished,
    "update": NoticeUpdated,
    "withdraw": NoticeWithdrawn,
}


def plain_event(content: Mapping[str, Any], key: str | None, system: System) -> bytes:
    """The event in structured JSON, as far as it can be made one; rules are checked later. Raises Refusal."""
    given = {name: value for name, value in content.items() if value is not None or name not in _MAY_BE_NULL}
    hexadecimal = _derived(checked_key(key), system.name)
    action = given.get("action", "publish")
    kind = ACTIONS.get(action) if isinstance(action, str) else None
    if kind is None:
        raise _wrong("action", f"must be one of {', '.join(ACTIONS)}")
    event = {
        "specversion": "1.0",
        "id": hexadecimal[:32],
        "source": given["source"] if "source" in given else _only_source(system),
        "type": kind.TYPE,
        "datacontenttype": "application/json",
        "data": {name: value for name, value in given.items() if name not in _ENVELOPE},
    }
    subject = given.get("notice", hexadecimal[32:52] if kind is NoticePublished else None)
    times = {"expirytime": given.get("expires_at")} if kind is not NoticeWithdrawn else {}
    return msgspec.json.encode({**event, **times, **({"subject": subject} if subject is not None else {})})


def in_plain_words(problem: Problem) -> Problem:
    """With the names that fields have in plain JSON."""
    return Problem(
        field=_NAMES.get(problem.field, problem.field), problem=problem.problem.replace("expirytime", "expires_at")
    )


def checked_key(key: str | None) -> str:
    """The key without its quotes. Raises Refusal."""
    plain = (key or "").strip()
    if len(plain) > 1 and plain[0] == plain[-1] == '"':  # a string of a structured field, RFC 9651
        plain = plain[1:-1]
    if not _KEY.fullmatch(plain):
        problem = "is missing" if not plain else f"must be 1 to {LONGEST_KEY} printable ASCII characters"
        error = FieldError(field="Idempotency-Key", problem=problem)
        raise Refusal(Kind.UNREADABLE, "Plain JSON needs a key of yours, the same when you repeat it.", errors=[error])
    return plain


def _derived(key: str, system: str) -> str:
    return sha256(f"{system}\0{key}".encode()).hexdigest()


def _only_source(system: System) -> str:
    if len(system.sources) > 1:
        raise _wrong("source", f"is missing: one of {', '.join(system.sources)}")
    return system.sources[0]


def _wrong(field: str, problem: str) -> Refusal:
    return Refusal(Kind.INVALID, errors=[FieldError(field=field, problem=problem)])

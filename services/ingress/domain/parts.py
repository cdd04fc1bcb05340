"""The parts of a webhook that are not understood, cut out of it: each is a webhook again, and nothing else is in it."""

from collections.abc import Callable, Iterator, Sequence

import msgspec
from msgspec import Raw, Struct

from services.ingress.domain import webhook
from services.ingress.domain.addresses import Rules, first_of
from services.ingress.domain.findings import Problem, ProblemKind
from shared.contracts.inbound import WebhookQuarantined

ACCOUNT_OBJECT = "whatsapp_business_account"
NAMED_PROBLEMS = 3
# Each is published and confirmed by itself; more of them share one message for each kind.
MOST_APART = 20
LONGEST_ID = 256

CutOut = Callable[[bytes | Raw], bytes]
_encoder = msgspec.json.Encoder()


class Frame(Struct, frozen=True):
    """What stands around the items in the lists of a value."""

    entry: webhook.Entry
    change: webhook.Change
    value: webhook.Value

    def cut_out(self, name: str, items: Sequence[bytes | Raw], sender: Sequence[str] = ()) -> bytes:
        """Return the account's entry with these items of the list of this name, and their sender's addresses."""
        content: dict[str, object] = {"metadata": self.value.metadata} if self.value.metadata else {}
        if contact := _contact(sender):
            content["contacts"] = [contact]
        content[name] = [Raw(bytes(item)) for item in items]
        return cut_out_value(self.entry, self.change, _encoder.encode(content))


def cut_out_entry(entry: bytes | Raw) -> bytes:
    """Return the entry, which is a part by itself."""
    return bytes(entry)


def cut_out_value(entry: webhook.Entry, change: webhook.Change, value: bytes) -> bytes:
    """Return the account's entry with this value alone."""
    return cut_out_change(entry, _encoder.encode({"field": change.field, "value": Raw(value)}))


def cut_out_change(entry: webhook.Entry, change: bytes | Raw) -> bytes:
    """Return the account's entry with this change alone."""
    account = {"id": _short(entry.id), "time": _short(entry.time), "changes": [Raw(bytes(change))]}
    return _encoder.encode({name: content for name, content in account.items() if content is not None})


def quarantine(body: bytes, problems: Sequence[Problem], rules: Rules) -> list[WebhookQuarantined]:
    """Return what was not understood, sealed part by part; the whole body if some of it cannot be cut out."""
    if whole := [problem for problem in problems if problem.part is None]:
        return [_sealed(body, [*whole, *(problem for problem in problems if problem.part is not None)], rules)]
    return [_sealed(_join(group), group, rules) for group in _groups(problems)]


def _groups(problems: Sequence[Problem]) -> Iterator[Sequence[Problem]]:
    for problem in problems[:MOST_APART]:
        yield [problem]
    for kind in ProblemKind:
        if more := [problem for problem in problems[MOST_APART:] if problem.kind is kind]:
            yield more


def _join(problems: Sequence[Problem]) -> bytes:
    entries = [Raw(problem.part) for problem in problems if problem.part is not None]
    return _encoder.encode({"object": ACCOUNT_OBJECT, "entry": entries})


def _sealed(plain: bytes, problems: Sequence[Problem], rules: Rules) -> WebhookQuarantined:
    named = "; ".join(problem.reason for problem in problems[:NAMED_PROBLEMS])
    more = len(problems) - NAMED_PROBLEMS
    return WebhookQuarantined(
        kind=problems[0].kind,
        reason=f"{named}; and {more} more" if more > 0 else named,
        received_at=rules.received_at,
        size=len(plain),
        sealed=rules.seal(plain, purpose="webhook"),
    )


def _short(identifier: object) -> str | int | None:
    """Return it if it can be an id or a time; something else in its place is no account's id."""
    if isinstance(identifier, str) and len(identifier) <= LONGEST_ID:
        return identifier
    return identifier if isinstance(identifier, int) or identifier is None else ""


def _contact(addresses: Sequence[str]) -> dict[str, str]:
    phone, user = first_of(addresses)
    return {name: address for name, address in (("wa_id", phone), ("user_id", user)) if address is not None}

"""Extraction of unparsable parts of a webhook: each becomes a separate webhook that contains nothing else."""

from collections.abc import Callable, Iterator, Sequence

import msgspec
from msgspec import Raw, Struct

from services.ingress.webhook import payloads
from services.ingress.webhook.addresses import Rules, pick_addresses
from services.ingress.webhook.decoding import decode_optional
from services.ingress.webhook.events import ParseProblem, ProblemKind
from shared.contracts.inbound import WebhookQuarantined

ACCOUNT_OBJECT = "whatsapp_business_account"
MAX_NAMED_PROBLEMS = 3
# Each is published and confirmed separately; further parts share one message per kind.
MAX_SEPARATE_PARTS = 20
MAX_ID_LENGTH = 256

CutOut = Callable[[bytes | Raw], bytes]
_encoder = msgspec.json.Encoder()


class ValueFrame(Struct, frozen=True):
    """Surroundings of the items in a value's lists."""

    entry: payloads.Entry
    change: payloads.Change
    value: payloads.ChangeValue

    def cut_out(self, name: str, items: Sequence[bytes | Raw], sender: Sequence[str] = ()) -> bytes:
        """Return the account's entry with only these items of list `name`, and their sender's addresses."""
        content: dict[str, object] = {"metadata": self.value.metadata} if self.value.metadata else {}
        if contact := _build_contact(sender):
            content["contacts"] = [contact]
        content[name] = [Raw(bytes(item)) for item in items]
        return cut_out_value(self.entry, self.change, _encoder.encode(content))


def cut_out_value(entry: payloads.Entry, change: payloads.Change, value: bytes) -> bytes:
    """Return the account's entry with only this value."""
    return cut_out_change(entry, _encoder.encode({"field": change.field, "value": Raw(value)}))


def cut_out_change(entry: payloads.Entry, change: bytes | Raw) -> bytes:
    """Return the account's entry with only this change."""
    account = {"id": _limit_id(entry.id), "time": _limit_id(entry.time), "changes": [Raw(bytes(change))]}
    return _encoder.encode({name: content for name, content in account.items() if content is not None})


def build_quarantine(body: bytes, problems: Sequence[ParseProblem], rules: Rules) -> list[WebhookQuarantined]:
    """Encrypt the unparsable parts one by one, or the whole body if one of them cannot be cut out."""
    if any(problem.part is None for problem in problems):
        return [_build_quarantined(body, sorted(problems, key=lambda problem: problem.part is not None), rules)]
    return [_build_quarantined(_join(group), group, rules) for group in _group_problems(problems)]


def _group_problems(problems: Sequence[ParseProblem]) -> Iterator[Sequence[ParseProblem]]:
    for problem in problems[:MAX_SEPARATE_PARTS]:
        yield [problem]
    for kind in ProblemKind:
        if group := [problem for problem in problems[MAX_SEPARATE_PARTS:] if problem.kind is kind]:
            yield group


def _join(problems: Sequence[ParseProblem]) -> bytes:
    entries = [Raw(problem.part) for problem in problems if problem.part is not None]
    return _encoder.encode({"object": ACCOUNT_OBJECT, "entry": entries})


def _build_quarantined(plain: bytes, problems: Sequence[ParseProblem], rules: Rules) -> WebhookQuarantined:
    reasons = "; ".join(problem.reason for problem in problems[:MAX_NAMED_PROBLEMS])
    omitted = len(problems) - MAX_NAMED_PROBLEMS
    return WebhookQuarantined(
        kind=problems[0].kind,
        reason=f"{reasons}; and {omitted} more" if omitted > 0 else reasons,
        received_at=rules.received_at,
        size=len(plain),
        sealed=rules.encrypt(plain, purpose="webhook"),
    )


def _limit_id(raw: Raw) -> str | int | None:
    """Return the value if it can be an id or a time, else an empty string."""
    identifier = decode_optional(raw)
    if isinstance(identifier, str) and len(identifier) <= MAX_ID_LENGTH:
        return identifier
    return identifier if isinstance(identifier, int) or identifier is None else ""


def _build_contact(addresses: Sequence[str]) -> dict[str, str]:
    phone, user = pick_addresses(addresses)
    return {name: address for name, address in (("wa_id", phone), ("user_id", user)) if address is not None}

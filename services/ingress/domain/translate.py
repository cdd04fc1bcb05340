"""From a webhook's bytes to events: what we understand, what is not ours, and what an operator has to see."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import islice
from typing import TypeVar

from msgspec import Raw

from services.ingress.domain import webhook
from services.ingress.domain.addresses import Beside, Rules, addresses_of, sender_of
from services.ingress.domain.content import LONGEST_WORD, content_of, cut
from services.ingress.domain.decoding import (
    Dropped,
    NotUnderstood,
    UnknownField,
    cut_down,
    moment,
    moment_or_none,
    read_object,
    read_webhook,
    read_what_is_whole,
    readable_texts,
)
from services.ingress.domain.fields import CITIZEN_FIELDS, is_about_account, not_for_us
from services.ingress.domain.findings import Finding, Ignored, Problem, ProblemKind, Understood
from services.ingress.domain.identities import identity_change
from services.ingress.domain.parts import ACCOUNT_OBJECT, CutOut, Frame, cut_out_change, cut_out_entry, cut_out_value
from shared.contracts.inbound import AccountEvent, DeliveryStatus, InboundMessage, PreferenceChange

# What a value may hold beside what happened.
FRAME = frozenset({"messaging_product", "metadata", "contacts"})
LONGEST_OPAQUE = 512
# Meta sends at most 1,000 updates in one webhook.
MAX_PARTS = 5_000
MAX_CONTACTS = 1_000
MAX_ERRORS = 100

P = TypeVar("P", bound=webhook.Part)
Read = Callable[[P], Iterator[Finding]]


def translate(body: bytes, rules: Rules) -> Iterator[Finding]:
    """All that a webhook holds, in its order; at least one finding."""
    try:
        whole = _webhook(body)
    except NotUnderstood as problem:
        yield Problem(str(problem), ProblemKind.NO_WEBHOOK)
        return
    found = _each(webhook.Entry, "entry", whole.entry, lambda entry: _entry(entry, rules), cut_out_entry)
    yield from islice(found, MAX_PARTS)
    if next(found, None) is not None:
        yield Problem(f"more than {MAX_PARTS} parts")
    if not whole.entry:
        yield Ignored.EMPTY


def understand(body: bytes, rules: Rules) -> Understood:
    """All that a webhook holds, sorted out."""
    understood = Understood()
    for finding in translate(body, rules):
        match finding:
            case Problem():
                understood.problems.append(finding)
            case Ignored():
                understood.ignored.append(finding)
            case _:
                understood.events.append(finding)
    return understood


def _each(kind: type[P], place: str, raws: Sequence[Raw] | None, then: Read[P], cut_out: CutOut) -> Iterator[Finding]:
    """Read each on its own: what one cannot be read for is a finding, and the next one follows."""
    for number, raw in enumerate(raws or ()):
        try:
            part, dropped = read_what_is_whole(kind, raw)
            yield from then(part)
            for name in dropped:
                alone = cut_out(cut_down(raw, kind.KEPT_BESIDE - dropped.keys() | {name}))
                yield Problem(f"{place}[{number}].{name}: {dropped[name]}", ProblemKind.BROKEN_FIELD, alone)
        except NotUnderstood as problem:
            yield Problem(f"{place}[{number}]: {problem}", problem.kind, cut_out(raw))


def _webhook(body: bytes) -> webhook.Webhook:
    whole = read_webhook(body)
    if whole.object != ACCOUNT_OBJECT:
        raise NotUnderstood(f"object is not {ACCOUNT_OBJECT}")
    return whole


def _entry(entry: webhook.Entry, rules: Rules) -> Iterator[Finding]:
    yield from _each(
        webhook.Change,
        "changes",
        entry.changes,
        lambda change: _change(entry, change, rules),
        lambda raw: cut_out_change(entry, raw),
    )
    if not entry.changes:
        yield Ignored.EMPTY


def _change(entry: webhook.Entry, change: webhook.Change, rules: Rules) -> Iterator[Finding]:
    if change.field in CITIZEN_FIELDS:
        yield from _value(entry, change, rules)
    elif is_about_account(change.field):
        yield _account_change(entry, change, rules)
    elif reason := not_for_us(change.field):
        yield reason
    else:
        raise UnknownField("a field that is not known")


def _account_change(entry: webhook.Entry, change: webhook.Change, rules: Rules) -> Finding:
    value = read_object(change.value)
    named = _named_account(entry, value)
    if rules.account_id is not None and named is not None and str(named) != rules.account_id:
        return Ignored.OTHER_ACCOUNT
    return _account(change.field, value, rules, at=moment_or_none(entry.time))


def _named_account(entry: webhook.Entry, value: Mapping[str, object]) -> object:
    """Return whose news it is: a partner's entry has the id of a business portfolio, and names the account inside."""
    info = value.get("waba_info")
    inside = info.get("waba_id") if isinstance(info, dict) else None
    return inside if isinstance(inside, str | int) and inside else entry.id


def _value(entry: webhook.Entry, change: webhook.Change, rules: Rules) -> Iterator[Finding]:
    value, dropped = read_what_is_whole(webhook.Value, change.value)
    number = value.metadata.phone_number_id if value.metadata else None
    if number is not None and str(number) != rules.phone_number_id:
        yield Ignored.OTHER_NUMBER
        return
    for name in dropped:
        yield Problem(f"value.{name}: {dropped[name]}", part=_cut_out_list(entry, change, name, dropped))
    frame = Frame(entry, change, value)
    if not _is_hollow(value):
        yield from _happened(frame, rules)
    elif not dropped:
        yield from list(_contacts(frame, [])) or [_hollow(change)]


def _cut_out_list(entry: webhook.Entry, change: webhook.Change, name: str, dropped: Dropped) -> bytes:
    """Return it for the number that it is for; the contacts belong to the messages."""
    beside = {"metadata", "contacts"} if name == "messages" else {"metadata"}
    return cut_out_value(entry, change, cut_down(change.value, beside - dropped.keys() | {name}))


def _is_hollow(value: webhook.Value) -> bool:
    return not (
        value.statuses
        or value.messages
        or value.user_preferences
        or value.errors
        or value.message_echoes
        or value.calls
    )


def _hollow(change: webhook.Change) -> Finding:
    """Nothing happened, or something of which we know nothing."""
    if any(content for name, content in read_object(change.value).items() if name not in FRAME):
        raise UnknownField("nothing in it is known")
    return Ignored.EMPTY


def _happened(frame: Frame, rules: Rules) -> Iterator[Finding]:
    value = frame.value
    if value.messages:
        contacts: list[webhook.Contact] = []
        yield from _contacts(frame, contacts)
        yield from _messages(frame, Beside(contacts), rules)
    if value.statuses:
        yield from _items(webhook.Status, "statuses", value.statuses, lambda it: _status(it, rules), frame)
    if preferences := value.user_preferences:
        yield from _items(webhook.Preference, "user_preferences", preferences, lambda it: _preference(it, rules), frame)
    for _ in value.message_echoes or ():
        yield Ignored.COEXISTENCE
    for _ in value.calls or ():
        yield Ignored.CALL
    if value.errors:
        errors = [_named(error) for error in value.errors[:MAX_ERRORS]]
        yield _account(frame.change.field, {"errors": errors}, rules)


def _items(kind: type[P], name: str, raws: Sequence[Raw] | None, then: Read[P], frame: Frame) -> Iterator[Finding]:
    return _each(kind, name, raws, then, lambda raw: frame.cut_out(name, [raw]))


def _contacts(frame: Frame, contacts: list[webhook.Contact]) -> Iterator[Finding]:
    """Collect those that are whole."""
    raws = frame.value.contacts or ()

    def keep(contact: webhook.Contact) -> Iterator[Finding]:
        contacts.append(contact)
        return iter(())

    yield from _items(webhook.Contact, "contacts", raws[:MAX_CONTACTS], keep, frame)
    if len(raws) > MAX_CONTACTS:
        yield Problem(f"more than {MAX_CONTACTS} contacts", part=frame.cut_out("contacts", raws[MAX_CONTACTS:]))


def _messages(frame: Frame, beside: Beside, rules: Rules) -> Iterator[Finding]:
    def one(message: webhook.WrittenMessage) -> Iterator[Finding]:
        if message.group_id:
            yield Ignored.GROUP
        else:
            yield identity_change(message, rules) or _message(message, beside, rules)

    def cut_out(raw: bytes | Raw) -> bytes:
        return frame.cut_out("messages", [raw], beside.completed(readable_texts(raw, "from", "from_user_id")))

    return _each(webhook.WrittenMessage, "messages", frame.value.messages, one, cut_out)


def _message(message: webhook.WrittenMessage, beside: Beside, rules: Rules) -> InboundMessage:
    text, payload, about = content_of(message)
    return InboundMessage(
        message_key=rules.index.index_once("wamid", message.id),
        sender=sender_of(message, beside, rules),
        sent_at=moment(message.timestamp),
        received_at=rules.received_at,
        kind=message.type[:LONGEST_WORD],
        text=text,
        payload=payload,
        about_key=rules.index.index_once("wamid", about) if about else None,
        error_code=_error_code(message.errors),
    )


def _status(status: webhook.Status, rules: Rules) -> Iterator[Finding]:
    if status.recipient_type == "group":
        yield Ignored.GROUP
        return
    yield DeliveryStatus(
        message_key=rules.index.index_once("wamid", status.id),
        status=status.status[:LONGEST_WORD],
        at=moment(status.timestamp),
        received_at=rules.received_at,
        delivery=cut(status.biz_opaque_callback_data, LONGEST_OPAQUE),
        error_code=_error_code(status.errors),
        pricing_category=cut(status.pricing.category, LONGEST_WORD) if status.pricing else None,
    )


def _error_code(errors: Sequence[webhook.Failure] | None) -> int | None:
    return _code(errors[0]) if errors else None


def _code(error: webhook.Failure) -> int | None:
    text = str(error.code)
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None


def _named(error: webhook.Failure) -> dict[str, object]:
    return {"code": _code(error), "title": cut(error.title, LONGEST_WORD)}


def _preference(preference: webhook.Preference, rules: Rules) -> Iterator[Finding]:
    yield PreferenceChange(
        person=addresses_of([preference.wa_id, preference.user_id], rules),
        category=preference.category[:LONGEST_WORD],
        value=preference.value[:LONGEST_WORD],
        at=moment(preference.timestamp),
    )


def _account(field: str, value: dict[str, object], rules: Rules, *, at: datetime | None = None) -> AccountEvent:
    return AccountEvent(field=field[:LONGEST_WORD], received_at=rules.received_at, at=at, value=value)

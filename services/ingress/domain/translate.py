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
    moment,
    moment_or_none,
    read_object,
    read_webhook,
    read_what_is_whole,
)
from services.ingress.domain.fields import CITIZEN_FIELDS, is_about_account, not_for_us
from services.ingress.domain.findings import Finding, Ignored, Problem, ProblemKind, Understood
from services.ingress.domain.identities import identity_change
from shared.contracts.inbound import (
    AccountEvent,
    DeliveryStatus,
    InboundMessage,
    PreferenceChange,
    WebhookQuarantined,
)

ACCOUNT_OBJECT = "whatsapp_business_account"
# What a value may hold beside what happened.
FRAME = frozenset({"messaging_product", "metadata", "contacts"})
LONGEST_OPAQUE = 512
NAMED_PROBLEMS = 3
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
    found = _each(webhook.Entry, "entry", whole.entry, lambda entry: _entry(entry, rules))
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


def quarantine(body: bytes, problems: Sequence[Problem], rules: Rules) -> WebhookQuarantined:
    """The whole body, sealed: a part alone would not tell an operator enough."""
    named = "; ".join(problem.reason for problem in problems[:NAMED_PROBLEMS])
    more = len(problems) - NAMED_PROBLEMS
    return WebhookQuarantined(
        kind=problems[0].kind,
        reason=f"{named}; and {more} more" if more > 0 else named,
        received_at=rules.received_at,
        size=len(body),
        sealed=rules.seal(body, purpose="webhook"),
    )


def _each(kind: type[P], place: str, raws: Sequence[bytes | Raw] | None, then: Read[P]) -> Iterator[Finding]:
    """Read each on its own: what one cannot be read for is a finding, and the next one follows."""
    for number, raw in enumerate(raws or ()):
        try:
            part, dropped = read_what_is_whole(kind, raw)
            yield from then(part)
            if dropped:
                yield from _problems(f"{place}[{number}]", dropped)
        except NotUnderstood as problem:
            yield Problem(f"{place}[{number}]: {problem}", problem.kind)


def _problems(place: str, dropped: Dropped) -> Iterator[Problem]:
    for name, reason in dropped.items():
        yield Problem(f"{place}.{name}: {reason}")


def _webhook(body: bytes) -> webhook.Webhook:
    whole = read_webhook(body)
    if whole.object != ACCOUNT_OBJECT:
        raise NotUnderstood(f"object is not {ACCOUNT_OBJECT}")
    return whole


def _entry(entry: webhook.Entry, rules: Rules) -> Iterator[Finding]:
    yield from _each(webhook.Change, "changes", entry.changes, lambda change: _change(entry, change, rules))
    if not entry.changes:
        yield Ignored.EMPTY


def _change(entry: webhook.Entry, change: webhook.Change, rules: Rules) -> Iterator[Finding]:
    if change.field in CITIZEN_FIELDS:
        yield from _value(change, rules)
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


def _value(change: webhook.Change, rules: Rules) -> Iterator[Finding]:
    value, dropped = read_what_is_whole(webhook.Value, change.value)
    number = value.metadata.phone_number_id if value.metadata else None
    if number is not None and str(number) != rules.phone_number_id:
        yield Ignored.OTHER_NUMBER
        return
    if dropped:
        yield from _problems("value", dropped)
    if not _is_hollow(value):
        yield from _happened(change.field, value, rules)
    elif not dropped:
        yield _hollow(change)


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


def _happened(field: str, value: webhook.Value, rules: Rules) -> Iterator[Finding]:
    contacts: list[webhook.Contact] = []
    if value.messages and value.contacts:
        yield from _each(webhook.Contact, "contacts", value.contacts[:MAX_CONTACTS], _collect(contacts))
        if len(value.contacts) > MAX_CONTACTS:
            yield Problem(f"more than {MAX_CONTACTS} contacts")
    yield from _messages(value, Beside(contacts), rules)
    yield from _each(webhook.Status, "statuses", value.statuses, lambda status: _status(status, rules))
    yield from _each(webhook.Preference, "user_preferences", value.user_preferences, lambda it: _preference(it, rules))
    for _ in value.message_echoes or ():
        yield Ignored.COEXISTENCE
    for _ in value.calls or ():
        yield Ignored.CALL
    if value.errors:
        yield _account(field, {"errors": [_named(error) for error in value.errors[:MAX_ERRORS]]}, rules)


def _collect(contacts: list[webhook.Contact]) -> Read[webhook.Contact]:
    def keep(contact: webhook.Contact) -> Iterator[Finding]:
        contacts.append(contact)
        return iter(())

    return keep


def _messages(value: webhook.Value, beside: Beside, rules: Rules) -> Iterator[Finding]:
    def one(message: webhook.WrittenMessage) -> Iterator[Finding]:
        if message.group_id:
            yield Ignored.GROUP
        else:
            yield identity_change(message, rules) or _message(message, beside, rules)

    return _each(webhook.WrittenMessage, "messages", value.messages, one)


def _message(message: webhook.WrittenMessage, beside: Beside, rules: Rules) -> InboundMessage:
    text, payload, about = content_of(message)
    return InboundMessage(
        message_key=rules.index("wamid", message.id),
        sender=sender_of(message, beside, rules),
        sent_at=moment(message.timestamp),
        received_at=rules.received_at,
        kind=message.type[:LONGEST_WORD],
        text=text,
        payload=payload,
        about_key=rules.index("wamid", about) if about else None,
        error_code=_error_code(message.errors),
    )


def _status(status: webhook.Status, rules: Rules) -> Iterator[Finding]:
    if status.recipient_type == "group":
        yield Ignored.GROUP
        return
    yield DeliveryStatus(
        message_key=rules.index("wamid", status.id),
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

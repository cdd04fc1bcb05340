"""Translation of a webhook's bytes to events, ignored parts and problems for an operator."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from itertools import islice
from typing import TypeVar

from msgspec import Raw

from services.ingress.webhook import payloads
from services.ingress.webhook.addresses import (
    ContactIndex,
    Rules,
    build_addresses,
    find_identity_change,
    resolve_sender,
)
from services.ingress.webhook.content import MAX_WORD_LENGTH, extract_content, truncate
from services.ingress.webhook.decoding import (
    Dropped,
    ParseError,
    UnknownField,
    decode_object,
    decode_optional,
    decode_valid_fields,
    decode_webhook,
    extract_texts,
    keep_fields,
    parse_optional_timestamp,
    parse_timestamp,
)
from services.ingress.webhook.events import Finding, Ignored, ParsedWebhook, ParseProblem, ProblemKind
from services.ingress.webhook.payloads import CITIZEN_FIELDS, find_ignored_reason, is_about_account
from services.ingress.webhook.quarantine import (
    ACCOUNT_OBJECT,
    CutOut,
    ValueFrame,
    cut_out_change,
    cut_out_value,
)
from shared.contracts.inbound import AccountEvent, DeliveryStatus, InboundMessage, PreferenceChange

# Fields of a value that report no event.
FRAME_FIELDS = frozenset({"messaging_product", "metadata", "contacts"})
MAX_CALLBACK_DATA_LENGTH = 512
# Meta sends at most 1,000 updates in one webhook.
MAX_PARTS = 5_000
MAX_CONTACTS = 1_000
MAX_ERRORS = 100

P = TypeVar("P", bound=payloads.WebhookPart)
ParsePart = Callable[[P], Iterator[Finding]]


def translate(body: bytes, rules: Rules) -> Iterator[Finding]:
    """Yield all findings of a webhook in order, at least one."""
    try:
        webhook = _decode_body(body)
    except ParseError as problem:
        yield ParseProblem(str(problem), ProblemKind.NO_WEBHOOK)
        return
    findings = _parse_each(payloads.Entry, "entry", webhook.entry, lambda entry: _parse_entry(entry, rules), bytes)
    yield from islice(findings, MAX_PARTS)
    if next(findings, None) is not None:
        yield ParseProblem(f"more than {MAX_PARTS} parts")
    if not webhook.entry:
        yield Ignored.EMPTY


def parse_webhook(body: bytes, rules: Rules) -> ParsedWebhook:
    """Return all findings of a webhook, sorted by type."""
    parsed = ParsedWebhook()
    for finding in translate(body, rules):
        match finding:
            case ParseProblem():
                parsed.problems.append(finding)
            case Ignored():
                parsed.ignored.append(finding)
            case _:
                parsed.events.append(finding)
    return parsed


def _parse_each(
    part_type: type[P], path: str, raws: Sequence[Raw] | None, parse: ParsePart[P], cut_out: CutOut
) -> Iterator[Finding]:
    """Parse each item on its own; an error becomes a finding and does not affect the next item."""
    for index, raw in enumerate(raws or ()):
        try:
            part, dropped = decode_valid_fields(part_type, raw)
            yield from parse(part)
            for name in dropped:
                field = cut_out(keep_fields(raw, part_type.CONTEXT_FIELDS - dropped.keys() | {name}))
                yield ParseProblem(f"{path}[{index}].{name}: {dropped[name]}", ProblemKind.BROKEN_FIELD, field)
        except ParseError as problem:
            yield ParseProblem(f"{path}[{index}]: {problem}", problem.kind, cut_out(raw))


def _decode_body(body: bytes) -> payloads.Webhook:
    webhook = decode_webhook(body)
    if webhook.object != ACCOUNT_OBJECT:
        raise ParseError(f"object is not {ACCOUNT_OBJECT}")
    return webhook


def _parse_entry(entry: payloads.Entry, rules: Rules) -> Iterator[Finding]:
    yield from _parse_each(
        payloads.Change,
        "changes",
        entry.changes,
        lambda change: _parse_change(entry, change, rules),
        lambda raw: cut_out_change(entry, raw),
    )
    if not entry.changes:
        yield Ignored.EMPTY


def _parse_change(entry: payloads.Entry, change: payloads.Change, rules: Rules) -> Iterator[Finding]:
    if change.field in CITIZEN_FIELDS:
        yield from _parse_value(entry, change, rules)
    elif is_about_account(change.field):
        yield _parse_account_change(entry, change, rules)
    elif reason := find_ignored_reason(change.field):
        yield reason
    else:
        raise UnknownField("unknown field")


def _parse_account_change(entry: payloads.Entry, change: payloads.Change, rules: Rules) -> Finding:
    value = decode_object(change.value)
    account_id = _find_account_id(entry, value)
    if rules.account_id is not None and account_id is not None and str(account_id) != rules.account_id:
        return Ignored.OTHER_ACCOUNT
    return _build_account_event(change.field, value, rules, at=parse_optional_timestamp(decode_optional(entry.time)))


def _find_account_id(entry: payloads.Entry, value: Mapping[str, object]) -> object:
    """Return the account's id; a partner's entry has a business portfolio's id and the account's inside the value."""
    info = value.get("waba_info")
    account_id = info.get("waba_id") if isinstance(info, dict) else None
    return account_id if isinstance(account_id, str | int) and account_id else decode_optional(entry.id)


def _parse_value(entry: payloads.Entry, change: payloads.Change, rules: Rules) -> Iterator[Finding]:
    value, dropped = decode_valid_fields(payloads.ChangeValue, change.value)
    number = value.metadata.phone_number_id if value.metadata else None
    if number is not None and str(number) != rules.phone_number_id:
        yield Ignored.OTHER_NUMBER
        return
    for name in dropped:
        yield ParseProblem(f"value.{name}: {dropped[name]}", part=_cut_out_list(entry, change, name, dropped))
    frame = ValueFrame(entry, change, value)
    if not _is_empty(value):
        yield from _parse_lists(frame, rules)
    elif not dropped:
        yield from list(_collect_contacts(frame, [])) or [_check_empty(change)]


def _cut_out_list(entry: payloads.Entry, change: payloads.Change, name: str, dropped: Dropped) -> bytes:
    """Cut out the list together with the phone number's metadata; messages also keep their contacts."""
    context = {"metadata", "contacts"} if name == "messages" else {"metadata"}
    return cut_out_value(entry, change, keep_fields(change.value, context - dropped.keys() | {name}))


def _is_empty(value: payloads.ChangeValue) -> bool:
    lists = (value.messages, value.statuses, value.user_preferences, value.errors, value.message_echoes, value.calls)
    return not any(lists)


def _check_empty(change: payloads.Change) -> Finding:
    """Return EMPTY if the value holds nothing but frame fields. Raises UnknownField."""
    if any(content for name, content in decode_object(change.value).items() if name not in FRAME_FIELDS):
        raise UnknownField("no known list in it")
    return Ignored.EMPTY


def _parse_lists(frame: ValueFrame, rules: Rules) -> Iterator[Finding]:
    value = frame.value
    if value.messages:
        contacts: list[payloads.Contact] = []
        yield from _collect_contacts(frame, contacts)
        yield from _parse_messages(frame, ContactIndex(contacts), rules)
    if value.statuses:
        yield from _parse_items(payloads.Status, "statuses", value.statuses, partial(_build_status, rules=rules), frame)
    if preferences := value.user_preferences:
        yield from _parse_items(
            payloads.Preference, "user_preferences", preferences, partial(_build_preference, rules=rules), frame
        )
    for _ in value.message_echoes or ():
        yield Ignored.COEXISTENCE
    for _ in value.calls or ():
        yield Ignored.CALL
    if value.errors:
        errors = [_summarize_error(error) for error in value.errors[:MAX_ERRORS]]
        yield _build_account_event(frame.change.field, {"errors": errors}, rules)


def _parse_items(
    part_type: type[P], name: str, raws: Sequence[Raw] | None, parse: ParsePart[P], frame: ValueFrame
) -> Iterator[Finding]:
    return _parse_each(part_type, name, raws, parse, lambda raw: frame.cut_out(name, [raw]))


def _collect_contacts(frame: ValueFrame, contacts: list[payloads.Contact]) -> Iterator[Finding]:
    """Append the contacts that decode; yield the problems of the others."""
    raws = frame.value.contacts or ()

    def collect(contact: payloads.Contact) -> Iterator[Finding]:
        contacts.append(contact)
        return iter(())

    yield from _parse_items(payloads.Contact, "contacts", raws[:MAX_CONTACTS], collect, frame)
    if len(raws) > MAX_CONTACTS:
        yield ParseProblem(f"more than {MAX_CONTACTS} contacts", part=frame.cut_out("contacts", raws[MAX_CONTACTS:]))


def _parse_messages(frame: ValueFrame, contacts: ContactIndex, rules: Rules) -> Iterator[Finding]:
    def parse(message: payloads.WrittenMessage) -> Iterator[Finding]:
        if message.group_id:
            yield Ignored.GROUP
        else:
            yield find_identity_change(message, rules) or _build_message(message, contacts, rules)

    def cut_out(raw: bytes | Raw) -> bytes:
        own = extract_texts(raw, "from", "from_user_id")
        contact_addresses = contacts.find_addresses(own)
        return frame.cut_out("messages", [raw], [*own, *contact_addresses] if contact_addresses else ())

    return _parse_each(payloads.WrittenMessage, "messages", frame.value.messages, parse, cut_out)


def _build_message(message: payloads.WrittenMessage, contacts: ContactIndex, rules: Rules) -> InboundMessage:
    text, payload, about = extract_content(message)
    return InboundMessage(
        message_key=rules.index.compute_base_index("wamid", message.id),
        sender=resolve_sender(message, contacts, rules),
        sent_at=parse_timestamp(message.timestamp),
        received_at=rules.received_at,
        kind=message.type[:MAX_WORD_LENGTH],
        text=text,
        payload=payload,
        about_key=rules.index.compute_base_index("wamid", about) if about else None,
        error_code=_get_error_code(message.errors),
    )


def _build_status(status: payloads.Status, rules: Rules) -> Iterator[Finding]:
    if status.recipient_type == "group":
        yield Ignored.GROUP
        return
    yield DeliveryStatus(
        message_key=rules.index.compute_base_index("wamid", status.id),
        status=status.status[:MAX_WORD_LENGTH],
        at=parse_timestamp(status.timestamp),
        received_at=rules.received_at,
        delivery=truncate(status.biz_opaque_callback_data, MAX_CALLBACK_DATA_LENGTH),
        error_code=_get_error_code(status.errors),
        pricing_category=truncate(status.pricing.category, MAX_WORD_LENGTH) if status.pricing else None,
    )


def _get_error_code(errors: Sequence[payloads.Failure] | None) -> int | None:
    return _parse_code(errors[0]) if errors else None


def _parse_code(error: payloads.Failure) -> int | None:
    text = str(error.code)
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None


def _summarize_error(error: payloads.Failure) -> dict[str, object]:
    return {"code": _parse_code(error), "title": truncate(error.title, MAX_WORD_LENGTH)}


def _build_preference(preference: payloads.Preference, rules: Rules) -> Iterator[Finding]:
    yield PreferenceChange(
        person=build_addresses([preference.wa_id, preference.user_id], rules),
        category=preference.category[:MAX_WORD_LENGTH],
        value=preference.value[:MAX_WORD_LENGTH],
        at=parse_timestamp(preference.timestamp),
    )


def _build_account_event(
    field: str, value: dict[str, object], rules: Rules, *, at: datetime | None = None
) -> AccountEvent:
    return AccountEvent(field=field[:MAX_WORD_LENGTH], received_at=rules.received_at, at=at, value=value)

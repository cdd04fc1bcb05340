"""Meta's system messages that a person has a new number or user id, including older shapes."""

import re

from services.ingress.domain.addresses import Rules, build_addresses
from services.ingress.domain.decoding import parse_timestamp
from services.ingress.domain.payloads import SystemNotice, WrittenMessage
from shared.contracts.inbound import IdentityChange

CHANGE_TYPES = ("user_changed_number", "user_changed_user_id", "customer_changed_number")
_FROM_TO = re.compile(r"changed from (\S{5,160}) to (\S{5,160})$")


def find_identity_change(message: WrittenMessage, rules: Rules) -> IdentityChange | None:
    """Return the change, or None if the message is about something else or lacks the old or the new address."""
    notice = message.system
    if message.type != "system" or notice is None or notice.type not in CHANGE_TYPES:
        return None
    was, becomes = _find_named_addresses(notice)
    after = {value for value in (notice.wa_id, notice.new_wa_id, notice.user_id, becomes) if value}
    known = (notice.previous_user_id, message.sender, message.from_user_id, was)
    before = [value for value in known if value and value not in after]
    if not before or not after:
        return None
    return IdentityChange(
        message_key=rules.index.compute_base_index("wamid", message.id),
        before=build_addresses(before, rules),
        after=build_addresses(sorted(after), rules),
        at=parse_timestamp(message.timestamp),
        received_at=rules.received_at,
    )


def _find_named_addresses(notice: SystemNotice) -> tuple[str | None, str | None]:
    """Return the old and the new address from the text; some notices have them nowhere else."""
    found = _FROM_TO.search(notice.body or "")
    return (found[1], found[2]) if found else (None, None)

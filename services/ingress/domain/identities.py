"""Meta's notices that a person has a new number or a new user id, also in their older shapes."""

import re

from services.ingress.domain.addresses import Rules, addresses_of
from services.ingress.domain.decoding import moment
from services.ingress.domain.webhook import SystemNotice, WrittenMessage
from shared.contracts.inbound import IdentityChange

CHANGES = ("user_changed_number", "user_changed_user_id", "customer_changed_number")
_FROM_TO = re.compile(r"changed from (\S{5,160}) to (\S{5,160})$")


def identity_change(message: WrittenMessage, rules: Rules) -> IdentityChange | None:
    """The change, or None if the message is about something else or does not say from where to where."""
    notice = message.system
    if message.type != "system" or notice is None or notice.type not in CHANGES:
        return None
    was, becomes = _named(notice)
    after = {value for value in (notice.wa_id, notice.new_wa_id, notice.user_id, becomes) if value}
    known = (notice.previous_user_id, message.sender, message.from_user_id, was)
    before = [value for value in known if value and value not in after]
    if not before or not after:
        return None
    return IdentityChange(
        message_key=rules.index.index_once("wamid", message.id),
        before=addresses_of(before, rules),
        after=addresses_of(sorted(after), rules),
        at=moment(message.timestamp),
        received_at=rules.received_at,
    )


def _named(notice: SystemNotice) -> tuple[str | None, str | None]:
    """The addresses in the text, which some notices have nowhere else."""
    found = _FROM_TO.search(notice.body or "")
    return (found[1], found[2]) if found else (None, None)

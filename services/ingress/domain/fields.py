"""Meta's webhook fields by subject.

Source: Meta, webhook reference (September 2026) and its OpenAPI file v23.0; older and newer names as reported by
integrators.
"""

from collections.abc import Mapping

from services.ingress.domain.findings import Ignored

# Lists of citizens' messages, statuses and preferences, each for one of the account's numbers.
CITIZEN_FIELDS = frozenset({"messages", "user_preferences"})

# About our account only: passed on unchanged. A field that is not listed anywhere may hold citizens' numbers and
# texts, so it is encrypted as a whole.
_ACCOUNT_PREFIXES = (
    "account_",
    "business_",
    "flows",
    "message_template_",
    "partner_",
    "payment_configuration_",
    "phone_number_",
    "security",
    "template_",
)

# Irrelevant to a one-way channel: counted but not stored, since most of it is about people.
_IGNORED_FIELDS: Mapping[str, Ignored] = {
    "calls": Ignored.CALL,
    "history": Ignored.COEXISTENCE,
    "message_echoes": Ignored.COEXISTENCE,
    "smb_app_state_sync": Ignored.COEXISTENCE,
    "smb_message_echoes": Ignored.COEXISTENCE,
    "messaging_handovers": Ignored.HANDOVER,
    "standby": Ignored.HANDOVER,
    "automatic_events": Ignored.ADVERTISING,
    "tracking_events": Ignored.ADVERTISING,
}


def is_about_account(field: str) -> bool:
    """Return whether the field is about our account, templates, quality or limits."""
    return field.startswith(_ACCOUNT_PREFIXES)


def find_ignored_reason(field: str) -> Ignored | None:
    """Return the reason to ignore the field as a whole, or None."""
    return Ignored.GROUP if field.startswith("group_") else _IGNORED_FIELDS.get(field)

"""Which of Meta's webhook fields is about what.

Source: Meta, webhook reference (September 2026) and its OpenAPI file v23.0; older and newer names where integrators
have seen them.
"""

from collections.abc import Mapping

from services.ingress.domain.findings import Ignored

# Lists of citizens' messages, statuses and preferences, each for one of the account's numbers.
CITIZEN_FIELDS = frozenset({"messages", "user_preferences"})

# About our account only: passed on unchanged. A field that is not listed anywhere may hold citizens' numbers and
# texts, so it is sealed as a whole.
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

# Nothing that a one-way channel acts on: counted, and not kept, since most of it is about people.
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
    """Whether it is about our account, templates, quality or limits."""
    return field.startswith(_ACCOUNT_PREFIXES)


def find_ignored_reason(field: str) -> Ignored | None:
    """Why the field as a whole is none of ours, or None."""
    return Ignored.GROUP if field.startswith("group_") else _IGNORED_FIELDS.get(field)

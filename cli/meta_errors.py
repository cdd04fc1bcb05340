"""Meaning of Meta's refusals, and what to do about each.

Sources: Meta, "Error codes" (support/error-codes, September 2026); the dispatcher's table has most meanings. The health
codes 1410xx and the subcodes of templates are from integrators' pages.
"""

from collections.abc import Mapping
from typing import Any

from cli.doctor.findings import DoctorProblem
from services.dispatcher.domain.errors import ERROR_RULES, UNKNOWN_CODE, ErrorAction, find_error_rule

_SYSTEM_USER = (
    "In Business Settings, under System users, generate a token that never expires, with whatsapp_business_messaging "
    "and whatsapp_business_management, and give it to `kreisfunk setup` with --token-file."
)
_PERMISSION = "Assign app and WhatsApp account to the system user with full control, then generate a new token."
_IDS = "Compare the ids in .env with those in WhatsApp Manager, and check that the system user may use both assets."
_LATER = "Nothing was lost: try again in some minutes."
_LIMIT = "Meta counts calls by the hour: try again in an hour."
_POLICY = "See Account Quality in Business Settings for the reason and to appeal."
_PAYMENT = "Add or correct the payment method of the WhatsApp account in Business Settings, Billing."
_REGISTER = (
    "Register the number in WhatsApp Manager with its six-digit PIN (POST /PHONE_NUMBER_ID/register); choose storage "
    "in Germany before that."
)
_TEMPLATE_TEXT = (
    "Change the text in the file of templates under a new name, name it in the county's file, and try again."
)
_FILE_BUG = "The file of templates differs from Meta's: create a new version under a new name."
_OTHER_NUMBER = "Test with another number that has WhatsApp and is not our own."

# Codes that only setup meets, never a message.
_MEANINGS: Mapping[int, str] = {
    15: "this needs the token of the app, not that of a system user",
    104: "app secret and token do not belong together",
    190: "Meta does not accept the token: it is wrong, expired or was withdrawn",
    200: "permission missing",
    2200: "Meta has called the address of the webhook and did not get its answer",
    2500: "there is nothing under this path in this version",
    133000: "the number is still being deregistered",
    133005: "wrong PIN",
    133006: "the number has to be verified first",
    133008: "too many wrong PINs",
    133009: "PIN entered too soon again",
    133015: "the number was deleted a moment ago",
    133016: "registered and deregistered too often",
    141006: "the payment method does not work",
    141010: "the business is not verified",
}
ADVICE: Mapping[int, str] = {
    **dict.fromkeys((0, 190), _SYSTEM_USER),
    **dict.fromkeys((3, 10, 200, 131005), _PERMISSION),
    **dict.fromkeys((4, 80007), _LIMIT),
    **dict.fromkeys((33, 100), _IDS),
    **dict.fromkeys((368, 131031), _POLICY),
    **dict.fromkeys((130429, 133000, 133009), _LATER),
    **dict.fromkeys((131009, 132000, 132012), _FILE_BUG),
    **dict.fromkeys((131021, 131026), _OTHER_NUMBER),
    **dict.fromkeys((131042, 131044, 141006), _PAYMENT),
    **dict.fromkeys((131045, 133010), _REGISTER),
    **dict.fromkeys((132007, 132016), _TEMPLATE_TEXT),
    15: "Give the app secret with --app-secret-file.",
    104: "Take both from the same app: its secret is in the App Dashboard under Settings, Basic.",
    2200: (
        "See the result of the step `callback`. The address must be reachable from the internet by https with a valid "
        "certificate, and the ingress must run with the current verify token."
    ),
    2500: "Check KREISFUNK_GRAPH_VERSION; a solution provider may not offer it: ask there.",
    130497: "The account may not write to this country: " + _POLICY,
    131030: "This is Meta's test number: add the recipient to its list in the App Dashboard, or use the real number.",
    131037: "Have the display name approved in WhatsApp Manager first; it takes about 48 hours.",
    131048: "Many have reported or blocked this number: wait, and see its quality in WhatsApp Manager.",
    131049: "Meta holds back marketing messages to this person: try another number, or a template of category UTILITY.",
    131050: "This person has stopped marketing messages from us in WhatsApp: try another number.",
    131056: "Too many messages to this number: wait a minute.",
    131057: "The number is being upgraded: " + _LATER,
    131064: "Too many templates had the wrong category: take MARKETING for all, or appeal in WhatsApp Manager.",
    132001: "Meta needs up to 24 hours for the review: run this again.",
    132015: "Meta has paused this template for its quality: wait for hours, or see WhatsApp Manager.",
    133005: "Set a new PIN in WhatsApp Manager, two-step verification.",
    133006: "Verify it in WhatsApp Manager with the code that Meta sends by SMS or call.",
    133008: "Wait as long as Meta says, then set a new PIN in WhatsApp Manager.",
    133015: "Wait five minutes.",
    133016: "Wait 72 hours.",
    141010: "Verify the business in Business Settings, Security Center: until then the limit is 250 people a day.",
}
_BY_ACTION: Mapping[ErrorAction, str] = {
    **dict.fromkeys((ErrorAction.AGAIN, ErrorAction.SLOWER, ErrorAction.PAIR), _LATER),
    ErrorAction.SENDER: _PERMISSION,
    ErrorAction.TEMPLATE: _FILE_BUG,
    ErrorAction.RECIPIENT: _OTHER_NUMBER,
    ErrorAction.DROP: "This is not expected here: look up the code in Meta's list, and report it to us.",
}
# Why a template was not accepted for review, all with code 100.
_SUBCODES: Mapping[int, tuple[str, str]] = {
    33: ("the id is unknown, or this token may not see it", _IDS),
    2388019: ("the account has reached its limit of templates", "Delete some in WhatsApp Manager."),
    2388023: ("a template of this name is being deleted", "Its name is blocked for 30 days: choose a new one."),
    2388024: ("a template of this name and language exists already", "Choose a new name, or delete that one."),
    2388040: ("a text is too long", _TEMPLATE_TEXT),
    2388043: ("a part or an example is missing", "Add the example to the file of templates."),
    2388047: ("the header has a wrong format", _TEMPLATE_TEXT),
    2388072: ("the body has a wrong format", _TEMPLATE_TEXT),
    2388073: ("the footer has a wrong format", _TEMPLATE_TEXT),
    2388293: ("too many variables for so little text", _TEMPLATE_TEXT),
    2388299: ("a variable is first or last in the text", _TEMPLATE_TEXT),
    2494102: ("the picture is not usable", "Give another JPEG or PNG of at most 5 MB with --picture."),
}
# Why a template was rejected in the review.
REJECTIONS: Mapping[str, str] = {
    "ABUSIVE_CONTENT": "Meta reads it as a threat or as abusive.",
    "INCORRECT_CATEGORY": "It has the wrong category: invitations and advertisements are MARKETING.",
    "INVALID_FORMAT": "Meta does not accept variables or formatting, such as a variable without text around it.",
    "PROMOTIONAL": "It advertises, so its category must be MARKETING.",
    "SCAM": "Meta considers it fraud.",
    "TAG_CONTENT_MISMATCH": "Its language or category does not match its text.",
}
MAX_WORDS = 300
# Meta's text for these codes may contain the wrong token or secret.
_ABOUT_SECRETS = (0, 104, 190)


def explain_code(code: int, subcode: int | None = None) -> DoctorProblem:
    if code == 100 and subcode is not None and subcode in _SUBCODES:
        return DoctorProblem(*_SUBCODES[subcode])
    known = code in ERROR_RULES or code in _MEANINGS or 200 <= code <= 299
    rule = find_error_rule(code)
    what = _MEANINGS.get(code, rule.meaning if known else UNKNOWN_CODE.meaning)
    return DoctorProblem(what, ADVICE.get(code, _PERMISSION if 200 <= code <= 299 else _BY_ACTION[rule.action]))


def explain_error(status: int, error: Mapping[str, Any]) -> DoctorProblem:
    """Return the meaning of an error answer, with Meta's own text, and advice."""
    code, subcode = error.get("code"), error.get("error_subcode")
    if not isinstance(code, int):
        return DoctorProblem(f"status {status} without a code", _LATER)
    explained = explain_code(code, subcode if isinstance(subcode, int) else None)
    details = error.get("error_data")
    detail = details.get("details") if isinstance(details, dict) else None
    meta_text = str(error.get("error_user_msg") or detail or error.get("message") or "")[:MAX_WORDS]
    source = f"code {code}" if not isinstance(subcode, int) else f"code {code}/{subcode}"
    if meta_text and code not in _ABOUT_SECRETS:
        source += f', Meta says: "{meta_text}"'
    return DoctorProblem(f"{explained.what} ({source})", explained.advice)

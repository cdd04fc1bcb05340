"""Shapes of webhooks as other open source projects have them in their tests, in values of our own.

- pywa, `tests/data/updates`: what lacks what its type promises, numbers in `context`, orders, referrals
- courier, `handlers/meta/testdata`: numbers with a plus and spaces, user ids where numbers stand, what is no user id
- whatsapp-api-js, `test/payloads/v25`: message ids that are no wamid, contacts beside statuses, ids of companies
- chatwoot, `spec/services/whatsapp`: forms without their answers, failed media, accents; heyoo, `data.json`: 2022's
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tests.factories.webhooks import NUMBER_ID, PHONE, SENT_AT, USER, Json

COMPANY = "DE.ENT.70900100200"
ODD_ID = "ABGGFkA7Rpb"
FAILED = {"code": 131000, "title": "Something went wrong", "error_data": {"details": "Unsupported webhook payload"}}


class WebhookShape(NamedTuple):
    """A value of the field `messages`, and the texts that are to be heard of it, None for a message without."""

    value: Json
    heard: Sequence[str | None] = ()
    statuses: int = 0


def build_webhook(kind: str, **more: object) -> Json:
    return {"from": PHONE, "id": f"wamid.{kind}==", "timestamp": str(SENT_AT), **more, "type": kind}


def build_value(*messages: Json, contact: Json | None = None, **more: object) -> Json:
    return {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "+49 4791 930 0", "phone_number_id": NUMBER_ID},
        "contacts": [contact or {"profile": {"name": "Anke Beispiel"}, "wa_id": PHONE}],
        **({"messages": list(messages)} if messages else {}),
        **more,
    }


def build_text(body: str, **more: object) -> Json:
    return build_webhook("text", text={"body": body}, **more)


def build_status(word: str, **more: object) -> Json:
    return {"id": ODD_ID, "status": word, "timestamp": str(SENT_AT), "recipient_id": PHONE, **more}


KNOWN: Json = {"profile": {"name": "Anke", "username": "@anke.b"}, "wa_id": PHONE, "user_id": USER}
BY_USER: Json = {"profile": {"name": "Anke", "username": "anke.b"}, "user_id": USER, "parent_user_id": COMPANY}
CONVERSATION: Json = {"id": "C1", "expiration_timestamp": str(SENT_AT), "origin": {"type": "marketing"}}
CALLED = {"from": NUMBER_ID, "id": "wamid.OUT=="}
FORM: Json = {"type": "nfm_reply", "nfm_reply": {"name": "flow", "body": "Sent", "response_json": "{no json"}}
REFERRAL: Json = {"source_type": "ad or post", "headline": "Stop", "body": "Start", "ctwa_clid": "x", "media_type": 7}

SHAPES: Mapping[str, WebhookShape] = {
    "2022": WebhookShape(build_value(build_text("Stop")), ["Stop"]),
    "type before its content": WebhookShape(build_value({"type": "text", **build_text("Hilfe")}), ["Hilfe"]),
    "reply to us": WebhookShape(build_value(build_text("Stop", context=CALLED)), ["Stop"]),
    "forwarded": WebhookShape(build_value(build_text("Start", context={"frequently_forwarded": True})), ["Start"]),
    "from an advertisement": WebhookShape(build_value(build_text("Start", referral=REFERRAL)), ["Start"]),
    "phone and user id": WebhookShape(build_value(build_text("Stop", from_user_id=USER), contact=KNOWN), ["Stop"]),
    "id of a company": WebhookShape(
        build_value(build_text("Stop", from_parent_user_id=COMPANY), contact=KNOWN), ["Stop"]
    ),
    "no user id": WebhookShape(
        build_value(build_text("Stop", from_user_id="foo_bar"), contact={**KNOWN, "user_id": "foo_bar"}), ["Stop"]
    ),
    "user id only": WebhookShape(
        build_value(
            {"from_user_id": USER, "id": "x", "timestamp": "1794300000", "type": "text", "text": {"body": "Stop"}}
        ),
        ["Stop"],
    ),
    "user id in the contact only": WebhookShape(
        build_value({"id": "y", "timestamp": "1794300000", "type": "text", "text": {"body": "Stop"}}, contact=BY_USER),
        ["Stop"],
    ),
    "user id for a number": WebhookShape(
        build_value(
            {**build_text("Stop"), "from": USER, "from_user_id": USER}, contact={"wa_id": USER, "user_id": USER}
        ),
        ["Stop"],
    ),
    "message id that is no wamid": WebhookShape(build_value({**build_text("Stop"), "id": ODD_ID}), ["Stop"]),
    "two people": WebhookShape(
        build_value(
            build_text("Stop"), {**build_text("Start", from_user_id=USER), "from": "491760406900002", "id": "z"}
        ),
        ["Stop", "Start"],
    ),
    "text of an unsupported type": WebhookShape(
        build_value(
            {**build_text("Stop"), "type": "unsupported", "errors": [{"code": 131051, "details": "not supported"}]}
        ),
        ["Stop"],
    ),
    "button": WebhookShape(
        build_value(build_webhook("button", button={"payload": "stop", "text": "Stop"}, context=CALLED)), ["Stop"]
    ),
    "chosen button": WebhookShape(
        build_value(
            build_webhook(
                "interactive", interactive={"type": "button_reply", "button_reply": {"id": "1", "title": "Ja"}}
            )
        ),
        ["Ja"],
    ),
    "form with a broken answer": WebhookShape(build_value(build_webhook("interactive", interactive=FORM)), ["Sent"]),
    "interactive without its content": WebhookShape(build_value(build_webhook("interactive"), errors=[FAILED]), [None]),
    "picture": WebhookShape(build_value(build_webhook("image", image={"id": "1", "sha256": "x="})), [None]),
    "picture that could not be loaded": WebhookShape(
        build_value(
            build_webhook("image", image={"id": "1", "caption": "Schild"}, errors=[{"code": 400, "title": "failed"}])
        ),
        ["Schild"],
    ),
    "document with accents": WebhookShape(
        build_value(build_webhook("document", document={"filename": "Plan é.pdf", "caption": "Größe €"})), ["Größe €"]
    ),
    "place": WebhookShape(
        build_value(build_webhook("location", location={"latitude": 53.2, "longitude": -8.7})), [None]
    ),
    "cards": WebhookShape(
        build_value(build_webhook("contacts", contacts=[{"name": {}, "phones": [{"wa_id": PHONE}]}])), [None]
    ),
    "order": WebhookShape(
        build_value(build_webhook("order", order={"text": "", "product_items": [{"quantity": 3}]})), [None]
    ),
    "reaction taken back": WebhookShape(
        build_value(build_webhook("reaction", reaction={"message_id": "wamid.OUT=="})), [None]
    ),
    "unsupported": WebhookShape(
        build_value(build_webhook("unsupported", errors=[{"code": 131051, "title": "unknown"}])), [None]
    ),
    "text beside a status": WebhookShape(
        build_value(build_text("Stop"), statuses=[build_status("sent")]), ["Stop"], statuses=1
    ),
    "status with a contact": WebhookShape(
        build_value(
            contact=KNOWN, statuses=[build_status("delivered", recipient_user_id=USER, conversation=CONVERSATION)]
        ),
        statuses=1,
    ),
    "status in orbit": WebhookShape(
        build_value(statuses=[build_status("in_orbit", type="message", pricing={"billable": False})]), (), 1
    ),
    "status with a failure": WebhookShape(
        build_value(statuses=[build_status("failed", errors=[{"code": 131014, "title": "404"}])]), (), 1
    ),
    "failure of the account": WebhookShape(
        build_value(errors=[{"code": 0, "title": "We were unable to authenticate the app"}])
    ),
}

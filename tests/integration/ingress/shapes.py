"""Shapes of webhooks as other open source projects have them in their tests, in values of our own.

- pywa, `tests/data/updates`: what lacks what its type promises, numbers in `context`, orders, referrals
- courier, `handlers/meta/testdata`: numbers with a plus and spaces, user ids where numbers stand, what is no user id
- whatsapp-api-js, `test/payloads/v25`: message ids that are no wamid, contacts beside statuses, ids of companies
- chatwoot, `spec/services/whatsapp`: forms without their answers, failed media, accents; heyoo, `data.json`: 2022's
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tests.unit.ingress.webhooks import NUMBER_ID, PHONE, SENT_AT, USER, Json

COMPANY = "DE.ENT.70900100200"
ODD_ID = "ABGGFkA7Rpb"
FAILED = {"code": 131000, "title": "Something went wrong", "error_data": {"details": "Unsupported webhook payload"}}


class Shape(NamedTuple):
    """A value of the field `messages`, and the texts that are to be heard of it, None for a message without."""

    value: Json
    heard: Sequence[str | None] = ()
    statuses: int = 0


def written(kind: str, **more: object) -> Json:
    return {"from": PHONE, "id": f"wamid.{kind}==", "timestamp": str(SENT_AT), **more, "type": kind}


def value(*messages: Json, contact: Json | None = None, **more: object) -> Json:
    return {
        "messaging_product": "whatsapp",
        "metadata": {"display_phone_number": "+49 4791 930 0", "phone_number_id": NUMBER_ID},
        "contacts": [contact or {"profile": {"name": "Anke Beispiel"}, "wa_id": PHONE}],
        **({"messages": list(messages)} if messages else {}),
        **more,
    }


def says(body: str, **more: object) -> Json:
    return written("text", text={"body": body}, **more)


def status(word: str, **more: object) -> Json:
    return {"id": ODD_ID, "status": word, "timestamp": str(SENT_AT), "recipient_id": PHONE, **more}


KNOWN: Json = {"profile": {"name": "Anke", "username": "@anke.b"}, "wa_id": PHONE, "user_id": USER}
BY_USER: Json = {"profile": {"name": "Anke", "username": "anke.b"}, "user_id": USER, "parent_user_id": COMPANY}
CONVERSATION: Json = {"id": "C1", "expiration_timestamp": str(SENT_AT), "origin": {"type": "marketing"}}
CALLED = {"from": NUMBER_ID, "id": "wamid.OUT=="}
FORM: Json = {"type": "nfm_reply", "nfm_reply": {"name": "flow", "body": "Sent", "response_json": "{no json"}}
REFERRAL: Json = {"source_type": "ad or post", "headline": "Stop", "body": "Start", "ctwa_clid": "x", "media_type": 7}

SHAPES: Mapping[str, Shape] = {
    "2022": Shape(value(says("Stop")), ["Stop"]),
    "type before its content": Shape(value({"type": "text", **says("Hilfe")}), ["Hilfe"]),
    "reply to us": Shape(value(says("Stop", context=CALLED)), ["Stop"]),
    "forwarded": Shape(value(says("Start", context={"frequently_forwarded": True})), ["Start"]),
    "from an advertisement": Shape(value(says("Start", referral=REFERRAL)), ["Start"]),
    "phone and user id": Shape(value(says("Stop", from_user_id=USER), contact=KNOWN), ["Stop"]),
    "id of a company": Shape(value(says("Stop", from_parent_user_id=COMPANY), contact=KNOWN), ["Stop"]),
    "no user id": Shape(value(says("Stop", from_user_id="foo_bar"), contact={**KNOWN, "user_id": "foo_bar"}), ["Stop"]),
    "user id only": Shape(
        value({"from_user_id": USER, "id": "x", "timestamp": "1794300000", "type": "text", "text": {"body": "Stop"}}),
        ["Stop"],
    ),
    "user id in the contact only": Shape(
        value({"id": "y", "timestamp": "1794300000", "type": "text", "text": {"body": "Stop"}}, contact=BY_USER),
        ["Stop"],
    ),
    "user id for a number": Shape(
        value({**says("Stop"), "from": USER, "from_user_id": USER}, contact={"wa_id": USER, "user_id": USER}), ["Stop"]
    ),
    "message id that is no wamid": Shape(value({**says("Stop"), "id": ODD_ID}), ["Stop"]),
    "two people": Shape(
        value(says("Stop"), {**says("Start", from_user_id=USER), "from": "491760406900002", "id": "z"}),
        ["Stop", "Start"],
    ),
    "text of an unsupported type": Shape(
        value({**says("Stop"), "type": "unsupported", "errors": [{"code": 131051, "details": "not supported"}]}),
        ["Stop"],
    ),
    "button": Shape(value(written("button", button={"payload": "stop", "text": "Stop"}, context=CALLED)), ["Stop"]),
    "chosen button": Shape(
        value(written("interactive", interactive={"type": "button_reply", "button_reply": {"id": "1", "title": "Ja"}})),
        ["Ja"],
    ),
    "form with a broken answer": Shape(value(written("interactive", interactive=FORM)), ["Sent"]),
    "interactive without its content": Shape(value(written("interactive"), errors=[FAILED]), [None]),
    "picture": Shape(value(written("image", image={"id": "1", "sha256": "x="})), [None]),
    "picture that could not be loaded": Shape(
        value(written("image", image={"id": "1", "caption": "Schild"}, errors=[{"code": 400, "title": "failed"}])),
        ["Schild"],
    ),
    "document with accents": Shape(
        value(written("document", document={"filename": "Plan é.pdf", "caption": "Größe €"})), ["Größe €"]
    ),
    "place": Shape(value(written("location", location={"latitude": 53.2, "longitude": -8.7})), [None]),
    "cards": Shape(value(written("contacts", contacts=[{"name": {}, "phones": [{"wa_id": PHONE}]}])), [None]),
    "order": Shape(value(written("order", order={"text": "", "product_items": [{"quantity": 3}]})), [None]),
    "reaction taken back": Shape(value(written("reaction", reaction={"message_id": "wamid.OUT=="})), [None]),
    "unsupported": Shape(value(written("unsupported", errors=[{"code": 131051, "title": "unknown"}])), [None]),
    "text beside a status": Shape(value(says("Stop"), statuses=[status("sent")]), ["Stop"], statuses=1),
    "status with a contact": Shape(
        value(contact=KNOWN, statuses=[status("delivered", recipient_user_id=USER, conversation=CONVERSATION)]),
        statuses=1,
    ),
    "status in orbit": Shape(value(statuses=[status("in_orbit", type="message", pricing={"billable": False})]), (), 1),
    "status with a failure": Shape(
        value(statuses=[status("failed", errors=[{"code": 131014, "title": "404"}])]), (), 1
    ),
    "failure of the account": Shape(value(errors=[{"code": 0, "title": "We were unable to authenticate the app"}])),
}

"""Acceptance or refusal of messages under Meta's limits, and the scheduling of their statuses."""

from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import msgspec

from simulator.citizens import BusinessMessage, Citizen, PhoneContent
from simulator.faults import Interference
from simulator.graph.content import read_content
from simulator.graph.errors import GraphError, build_invalid_parameter, build_missing_parameter
from simulator.graph.requests import MessageRequest
from simulator.identifiers import PHONE, USER_ID, make_wamid
from simulator.limits import extend_burst
from simulator.parts import SimulatorParts
from simulator.states import StatusStep, plan_statuses

DECODER = msgspec.json.Decoder(MessageRequest)


class Draft(NamedTuple):
    """A valid request before the limits are checked."""

    request: MessageRequest
    citizen: Citizen
    by_user_id: bool
    content: PhoneContent
    category: str


@dataclass
class MessageAcceptor:
    """The messages endpoint, without HTTP."""

    parts: SimulatorParts

    def handle(self, body: bytes, interference: Interference) -> bytes:
        """Return the response body to one request; raise GraphError if it is refused."""
        request = _decode(body)
        content, category = read_content(request, self.parts.templates)
        draft = Draft(request, *self._find_recipient(request), content, category)
        now = self.parts.clock()
        if request.type != "template" and now >= draft.citizen.window_until:
            raise GraphError(131047, "More than 24 hours have passed since the recipient last wrote.")
        if interference.reject:
            faults = self.parts.faults.current
            raise GraphError(faults.reject_code, "This fault was configured.", status=faults.reject_status)
        self._pass_limits(draft.citizen, now)
        return msgspec.json.encode(_answer(request, draft.citizen, self._accept(draft, now, interference)))

    def _find_recipient(self, request: MessageRequest) -> tuple[Citizen, bool]:
        if request.to:
            return self._find_by_number(request.to), False
        if not request.recipient:
            raise build_missing_parameter("to")
        if not USER_ID.fullmatch(request.recipient):
            raise build_invalid_parameter("recipient must be a business-scoped user id.")
        return _require_known(self.parts.citizens.find_by_user_id(request.recipient)), True

    def _find_by_number(self, to: str) -> Citizen:
        if not PHONE.fullmatch(to):
            raise build_invalid_parameter("to must be a phone number.")
        digits = to.removeprefix("+")
        if digits == self.parts.settings.display_phone_number:
            raise GraphError(131021, "Sender and recipient are the same number.")
        return _require_known(self.parts.citizens.find_by_phone(digits))

    def _pass_limits(self, citizen: Citizen, now: float) -> None:
        if self.parts.message_log.accepted_window.count(now) >= self.parts.settings.messages_per_second:
            raise GraphError(130429, "Cloud API message throughput has been reached.")
        burst = extend_burst(citizen.burst, now, self.parts.settings.pair_interval_seconds)
        if burst is None:
            raise GraphError(131056, "Too many messages to this recipient in a short time.")
        citizen.burst = burst

    def _accept(self, draft: Draft, now: float, interference: Interference) -> BusinessMessage:
        request, citizen = draft.request, draft.citizen
        message = BusinessMessage(
            sequence=len(self.parts.message_log.messages) + 1,
            citizen=citizen.id,
            wamid=make_wamid(citizen.address, next(self.parts.serials), outgoing=True),
            type=request.type,
            content=draft.content,
            accepted_at=now,
            category=draft.category,
            delivery=request.biz_opaque_callback_data,
            template=request.template.name if request.template and request.type == "template" else None,
            by_user_id=draft.by_user_id,
            vanished=interference.vanish,
        )
        self.parts.message_log.accept(message)
        self.parts.phones.show(citizen, message)
        refused = citizen.marketing_stopped and message.category == "marketing"
        for step in plan_statuses(self.parts.faults.current, message.sequence, refused=refused):
            self.parts.timeline.schedule(now + step.after, partial(self._advance, citizen, message, step))
        return message

    def _advance(self, citizen: Citizen, message: BusinessMessage, step: StatusStep) -> None:
        if self.parts.message_log.advance(message, step.state):
            self.parts.phones.advance(citizen, message)
        if not message.vanished:
            self.parts.notifier.notify_status(citizen, message, step.state, priced=step.priced, code=step.code)


def _decode(body: bytes) -> MessageRequest:
    try:
        request = DECODER.decode(body)
    except msgspec.MsgspecError as error:
        raise GraphError(100, str(error)) from error
    if request.messaging_product != "whatsapp":
        raise GraphError(100, "The parameter messaging_product is required and must be whatsapp.")
    if request.recipient_type != "individual":
        raise build_invalid_parameter("recipient_type must be individual.")
    return request


def _require_known(citizen: Citizen | None) -> Citizen:
    if citizen is None:
        raise GraphError(131026, "The recipient is not on WhatsApp.")
    return citizen


def _answer(request: MessageRequest, citizen: Citizen, message: BusinessMessage) -> dict[str, object]:
    if message.by_user_id:
        contact = {"input": request.recipient, "user_id": citizen.user_id}
    else:
        contact = {"input": request.to, "wa_id": citizen.phone}
    status = {"message_status": "accepted"} if message.template else {}
    return {"messaging_product": "whatsapp", "contacts": [contact], "messages": [{"id": message.wamid, **status}]}

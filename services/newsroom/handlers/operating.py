"""Acts of operators and leads on what is being sent; who may do what is decided here, whatever a page offers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from services.newsroom.domain.accounts import Account, Right
from services.newsroom.domain.audit import Act
from services.newsroom.domain.sending import (
    BroadcastChange,
    ChangeAnswer,
    MonthBudget,
    SendingChange,
    SendingOverview,
    SendingRefused,
)

MAX_REASON_LENGTH = 200
# Sending again is sending: whoever operates has no right to that.
CHANGE_RIGHTS: Mapping[BroadcastChange, Right] = {
    BroadcastChange.PAUSE: Right.STEER,
    BroadcastChange.RESUME: Right.STEER,
    BroadcastChange.CANCEL: Right.STEER,
    BroadcastChange.RESEND: Right.APPROVE,
}
_BROADCAST_ACTIONS: Mapping[BroadcastChange, str] = {
    BroadcastChange.PAUSE: "broadcast.paused",
    BroadcastChange.RESUME: "broadcast.resumed",
    BroadcastChange.CANCEL: "broadcast.cancelled",
    BroadcastChange.RESEND: "broadcast.resent",
}
_SENDING_ACTIONS: Mapping[SendingChange, str] = {
    SendingChange.PAUSE: "sending.paused",
    SendingChange.RESUME: "sending.resumed",
    SendingChange.RESUME_TEMPLATE: "template.resumed",
    SendingChange.REPLAY: "letters.replayed",
}
_STANDINGS: Mapping[str, str] = {
    "missing": "Der Versand hat noch nicht begonnen, oder er ist schon lange her.",
    "cancelled": "Die Aussendung ist schon beendet.",
    "finished": "Die Aussendung ist schon abgeschlossen.",
    "expired": "Die Meldung gilt nicht mehr. Niemand bekommt sie noch.",
    "running": "Die Aussendung ist nicht angehalten.",
    "held": "Angehalten ist nicht diese Aussendung, sondern ihre Vorlage. Die gibt der Betrieb frei.",
}
_NOTHING_TO_RESEND = "Es gibt niemanden, bei dem die Zustellung gescheitert ist, oder die Meldung gilt nicht mehr."
_NOTHING_CHANGED: Mapping[SendingChange, str] = {
    SendingChange.PAUSE: "Es gibt noch keine Nummer, von der gesendet wird.",
    SendingChange.RESUME: "Der Versand ist nicht angehalten.",
    SendingChange.RESUME_TEMPLATE: "Diese Vorlage ist nicht angehalten.",
    SendingChange.REPLAY: "Es ist nichts liegen geblieben.",
}


class SendingControl(Protocol):
    """Interface to see and change sending. Acts are stored with what they do. Methods raise DatabaseUnavailable."""

    async def read_overview(self) -> SendingOverview: ...

    async def read_budget(self) -> MonthBudget | None: ...

    async def change_broadcast(
        self, change: BroadcastChange, broadcast: UUID, reason: str, act: Act
    ) -> ChangeAnswer: ...

    async def change_sending(self, change: SendingChange, subject: str, reason: str, act: Act) -> int:
        """Return how much was changed; 0 is nothing, and no act."""


@dataclass(frozen=True, kw_only=True)
class OperatingService:
    """Acts on broadcasts and on all sending, each with a reason and in the audit log."""

    control: SendingControl

    async def change_broadcast(self, account: Account, change: BroadcastChange, broadcast: UUID, reason: str) -> None:
        """Pause, resume, cancel, or send again to those for whom it failed. Raises NotPermitted, SendingRefused."""
        account.require(CHANGE_RIGHTS[change])
        why = _parse_reason(reason)
        act = Act(account=account.id, action=_BROADCAST_ACTIONS[change], object=str(broadcast), detail={"reason": why})
        answer = await self.control.change_broadcast(change, broadcast, why, act)
        if not answer.is_done:
            is_open = change is BroadcastChange.RESEND and answer.standing in ("running", "held", "paused", "finished")
            raise SendingRefused(_NOTHING_TO_RESEND if is_open else _STANDINGS[answer.standing])

    async def change_sending(self, account: Account, change: SendingChange, subject: str, reason: str) -> None:
        """Pause or resume all sending, release a template, or retry. Raises NotPermitted, SendingRefused."""
        account.require(Right.OPERATE)
        why = _parse_reason(reason)
        # A form may say anything, but only a template that is paused can be released.
        everything = "Mitteilungen" if change is SendingChange.REPLAY else "Versand"
        named = subject if change is SendingChange.RESUME_TEMPLATE else everything
        act = Act(account=account.id, action=_SENDING_ACTIONS[change], object=named, detail={"reason": why})
        if not await self.control.change_sending(change, subject, why, act):
            raise SendingRefused(_NOTHING_CHANGED[change])


def _parse_reason(text: str) -> str:
    reason = " ".join(text.split())
    if not reason:
        raise SendingRefused("Bitte schreiben Sie einen Grund. Er steht im Protokoll.")
    if len(reason) > MAX_REASON_LENGTH:
        raise SendingRefused(f"Der Grund darf höchstens {MAX_REASON_LENGTH} Zeichen haben.")
    return reason

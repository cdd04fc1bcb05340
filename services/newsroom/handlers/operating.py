"""Acts of operators and leads on sending. Permissions are checked here, whatever a page offers."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from services.newsroom.adapters.sending_control import PostgresSendingControl
from services.newsroom.domain.accounts import Account, NotPermitted, Right
from services.newsroom.domain.approval import list_owners, require_amount_right
from services.newsroom.domain.audit import Act, parse_reason
from services.newsroom.domain.outbox import NoticePublication
from services.newsroom.domain.progress import BroadcastPhase, BroadcastStatus
from services.newsroom.domain.sending import BroadcastChange, SendingChange, SendingRefused
from services.newsroom.handlers.assessing import DraftAssessor, compute_costs

# Resending is sending, to which operators have no right; the costs decide who has it.
CHANGE_RIGHTS: Mapping[BroadcastChange, Right] = {
    **dict.fromkeys(BroadcastChange, Right.MANAGE_BROADCASTS),
    BroadcastChange.RESEND: Right.COUNTERSIGN,
}
_OBSTACLES: Mapping[str, str] = {
    "cancelled": "Die Aussendung ist schon beendet.",
    "finished": "Die Aussendung ist schon abgeschlossen.",
    "expired": "Die Meldung gilt nicht mehr. Niemand bekommt sie noch.",
    "running": "Die Aussendung ist nicht angehalten.",
    "template_paused": "Angehalten ist nicht diese Aussendung, sondern ihre Vorlage. Die gibt der Betrieb frei.",
}
_ALL_PAUSED = (
    "Der gesamte Versand ist angehalten, auch diese Aussendung wartet. Sie können sie beenden; wer die Meldung"
    " geschrieben hat, kann sie zurückziehen."
)
_NOT_STARTED = (
    "Der Versand hat noch nicht begonnen. Bis er beginnt, können Sie die Aussendung beenden; wer die Meldung"
    " geschrieben hat, kann sie zurückziehen."
)
_PLANNED = "Der Versand hat noch nicht begonnen. Zurückziehen kann die Meldung, wer sie veröffentlicht hat."
_LONG_AGO = "Der Versand ist schon lange vorbei. An dieser Aussendung lässt sich nichts mehr ändern."
_NO_REASON = "Bitte schreiben Sie einen Grund. Er steht im Protokoll."
_NOTHING_TO_RESEND = "Es gibt niemanden, bei dem die Zustellung gescheitert ist, oder die Meldung gilt nicht mehr."
_NOTHING_CHANGED: Mapping[SendingChange, str] = {
    SendingChange.PAUSE: "Der Versand ist schon angehalten, oder es gibt noch keine Nummer, von der gesendet wird.",
    SendingChange.RESUME: "Der Versand ist nicht angehalten.",
    SendingChange.RESUME_TEMPLATE: "Diese Vorlage ist nicht angehalten.",
    SendingChange.REPLAY: "Es ist nichts liegen geblieben.",
}


@dataclass(frozen=True, kw_only=True)
class OperatingService:
    """Acts on broadcasts and on all sending, each with a reason and in the audit log.

    `find_published` returns the publication of a broadcast, None if another system published it.
    """

    control: PostgresSendingControl
    assessor: DraftAssessor
    find_published: Callable[[UUID], Awaitable[NoticePublication | None]]

    def compute_costs(self, status: BroadcastStatus) -> Decimal | None:
        """Return the cost of resending it to those for whom it failed; None if not known."""
        return compute_costs(self.assessor.configuration, status.topic, status.states.get("failed", 0))

    def is_for_lead(self, status: BroadcastStatus) -> bool:
        """Return whether only a lead may resend it."""
        return self.assessor.rules.is_for_lead(self.compute_costs(status))

    async def _build_permit(self, account: Account, status: BroadcastStatus) -> Callable[[int], None]:
        """Return a function that raises NotPermitted unless the account may resend it to so many people."""
        published = await self.find_published(status.id)
        owners = list_owners(await self.assessor.drafts.find(published.draft)) if published else ()

        def permit(people: int) -> None:
            by_lead = self.assessor.rules.is_for_lead(compute_costs(self.assessor.configuration, status.topic, people))
            require_amount_right(account, by_lead=by_lead)
            if by_lead and account.person in owners:
                raise NotPermitted("Wenn es so viel kostet, sendet eine andere Person Ihre Meldung noch einmal.")

        return permit

    async def change_broadcast(
        self, account: Account, change: BroadcastChange, status: BroadcastStatus, reason: str
    ) -> None:
        """Pause, resume, cancel, or resend to those for whom it failed. Raises NotPermitted, SendingRefused."""
        account.require(CHANGE_RIGHTS[change])
        reason = parse_reason(reason, _NO_REASON, SendingRefused)
        if change is BroadcastChange.CANCEL and status.phase is BroadcastPhase.CANCELLED:
            raise SendingRefused(_OBSTACLES["cancelled"])  # the ledger may know of it only later
        act = Act(account=account.id, action=change.value, object=str(status.id), detail={"reason": reason})
        permit = await self._build_permit(account, status)
        standing = await self.control.change_broadcast(change, status.id, reason, act, permit)
        if standing == "missing":
            raise SendingRefused(await self._explain_missing(change, status))
        if standing:
            is_sendable = change is BroadcastChange.RESEND and standing not in ("cancelled", "expired")
            raise SendingRefused(_NOTHING_TO_RESEND if is_sendable else _OBSTACLES[standing])

    async def _explain_missing(self, change: BroadcastChange, status: BroadcastStatus) -> str:
        if status.phase is BroadcastPhase.CANCELLED:
            return _OBSTACLES["cancelled"]
        if status.is_final:
            return _LONG_AGO
        if change is BroadcastChange.CANCEL:
            return _PLANNED
        return _ALL_PAUSED if (await self.control.read_overview()).pause_reasons else _NOT_STARTED

    async def change_sending(self, account: Account, change: SendingChange, subject: str, reason: str) -> None:
        """Pause or resume sending, resume a template or replay dead letters. Raises NotPermitted, SendingRefused."""
        account.require(Right.OPERATE)
        reason = parse_reason(reason, _NO_REASON, SendingRefused)
        # The subject comes from a form, but only a paused template can be resumed.
        everything = "Mitteilungen" if change is SendingChange.REPLAY else "Versand"
        object_name = subject if change is SendingChange.RESUME_TEMPLATE else everything
        act = Act(account=account.id, action=change.value, object=object_name, detail={"reason": reason})
        if not await self.control.change_sending(change, subject, reason, act):
            raise SendingRefused(_NOTHING_CHANGED[change])

"""What to do with a webhook: check who sent it, understand it, store it, and only then say yes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from services.ingress.domain.addresses import Index, Rules, Seal
from services.ingress.domain.findings import Ignored, Problem
from services.ingress.domain.parts import quarantine
from services.ingress.domain.signature import is_signed, is_token
from services.ingress.domain.slices import Packed, pack
from services.ingress.domain.translate import understand
from services.ingress.ports import Meter, NotStored, Outbox, Result
from shared.runtime.clock import Clock


class _Parcel(NamedTuple):
    """What is kept of a webhook while it is being stored."""

    packed: Packed
    ignored: Sequence[Ignored]
    problems: Sequence[Problem]


@dataclass(frozen=True, kw_only=True)
class Receiver:
    """Receives what comes to the public port."""

    app_secrets: Sequence[bytes]
    verify_token: str
    phone_number_id: str
    account_id: str | None = None
    seal: Seal
    index: Index
    clock: Clock
    outbox: Outbox
    meter: Meter

    def welcomes(self, mode: str | None, token: str | None) -> bool:
        """Whether a handshake is Meta's."""
        return mode == "subscribe" and is_token(token, self.verify_token)

    async def receive(self, body: bytes, signature: str | None) -> Result:
        """What became of the body; it is accepted or quarantined only once it is stored."""
        result = await self._receive(body, signature)
        self.meter.answered(result)
        return result

    async def _receive(self, body: bytes, signature: str | None) -> Result:
        if not is_signed(body, signature, self.app_secrets):
            return Result.UNSIGNED
        parcel = self._pack(body)
        try:
            await self.outbox.store(parcel.packed)
        except NotStored:
            return Result.UNAVAILABLE
        for reason in parcel.ignored:
            self.meter.ignored(reason)
        for problem in parcel.problems:
            self.meter.not_understood(problem.kind)
        return Result.QUARANTINED if parcel.problems else Result.ACCEPTED

    def _pack(self, body: bytes) -> _Parcel:
        rules = Rules(
            phone_number_id=self.phone_number_id,
            account_id=self.account_id,
            received_at=self.clock(),
            seal=self.seal,
            index=self.index,
        )
        understood = understand(body, rules)
        if understood.problems:
            understood.events.extend(quarantine(body, understood.problems, rules))
        return _Parcel(pack(understood.events), understood.ignored, understood.problems)

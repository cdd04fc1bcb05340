"""What goes into quarantine, opened."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from services.ingress.domain.parts import quarantine
from services.ingress.domain.translate import understand
from shared.contracts.inbound import WebhookQuarantined
from tests.unit.ingress.rules import RING, RULES
from tests.unit.ingress.webhooks import Json


class Kept(NamedTuple):
    """One message in quarantine and what it opens to."""

    message: WebhookQuarantined
    body: bytes

    @property
    def webhook(self) -> Any:
        return json.loads(self.body)

    @property
    def change(self) -> Json:
        """The one change, in the one entry."""
        [entry] = self.webhook["entry"]
        [change] = entry["changes"]
        return dict(change)

    @property
    def value(self) -> Json:
        return dict(self.change["value"])


def quarantined(body: bytes) -> Sequence[Kept]:
    """What of this webhook is kept."""
    messages = quarantine(body, understand(body, RULES).problems, RULES)
    return [Kept(message, RING.open(message.sealed, purpose="webhook")) for message in messages]

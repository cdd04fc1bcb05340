"""Decryption of items in quarantine."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from services.ingress.webhook.events import ParseProblem
from services.ingress.webhook.quarantine import build_quarantine
from services.ingress.webhook.translate import parse_webhook
from shared.contracts.inbound import WebhookQuarantined
from tests.factories.webhook_rules import RING, RULES
from tests.factories.webhooks import Json


class QuarantinedPart(NamedTuple):
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


def quarantine_webhook(body: bytes) -> Sequence[QuarantinedPart]:
    """Return what of this webhook is kept."""
    return quarantine_problems(body, parse_webhook(body, RULES).problems)


def quarantine_problems(body: bytes, problems: Sequence[ParseProblem]) -> Sequence[QuarantinedPart]:
    """Return what of it is kept for these problems."""
    messages = build_quarantine(body, problems, RULES)
    return [QuarantinedPart(message, RING.decrypt(message.sealed, purpose="webhook")) for message in messages]

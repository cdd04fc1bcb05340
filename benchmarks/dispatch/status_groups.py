"""Groups of statuses as the ingress publishes them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import uuid4

from shared.contracts.envelope import encode
from shared.contracts.inbound import DeliveryStatus, DeliveryStatuses

STATUS_SEQUENCE = ("sent", "delivered", "read")


def build_status(delivery: str, word: str) -> DeliveryStatus:
    """Return a status; a delivery has one message here, so its id can stand for the hash of the wamid."""
    now = datetime.now(UTC)
    return DeliveryStatus(message_key=delivery[-16:].encode(), status=word, at=now, received_at=now, delivery=delivery)


def encode_group(statuses: Sequence[DeliveryStatus]) -> bytes:
    group = DeliveryStatuses(statuses=tuple(statuses))
    return encode(group, event_id=str(uuid4()), source="/benchmark", time=datetime.now(UTC))

"""Every store of encrypted values, in both schemas."""

from collections.abc import Sequence

from cli.keys.key_rotation import DELIVERIES, ERASURES, EncryptedStore, MessageColumn, build_subscriber_column
from cli.keys.message_bodies import renew_event, renew_publications
from shared.contracts.message import AddressKind

STORES: Sequence[EncryptedStore] = (
    *(build_subscriber_column(kind) for kind in AddressKind),
    DELIVERIES,
    ERASURES,
    MessageColumn(
        name="answers that may be published again",
        table="subscriptions.inbox",
        key=("message_key",),
        body="publications",
        renewal=renew_publications,
    ),
    MessageColumn(
        name="pages to be published",
        table="subscriptions.pending_page",
        key=("broadcast_id", "page"),
        body="body",
        renewal=renew_event,
    ),
)

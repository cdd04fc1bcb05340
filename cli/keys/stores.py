"""Every place in which something sealed is stored, in both schemas."""

from collections.abc import Sequence

from cli.keys.bodies import renew_event, renew_publications
from cli.keys.rotation import DELIVERIES, ERASURES, Bodies, Store, subscribers
from shared.contracts.message import AddressKind

STORES: Sequence[Store] = (
    *(subscribers(kind) for kind in AddressKind),
    DELIVERIES,
    ERASURES,
    Bodies(
        name="answers that may be published again",
        table="subscriptions.inbox",
        key=("message_key",),
        body="publications",
        renewal=renew_publications,
    ),
    Bodies(
        name="pages to be published",
        table="subscriptions.pending_page",
        key=("broadcast_id", "page"),
        body="body",
        renewal=renew_event,
    ),
)

"""Registry of all message types by their CloudEvents type name."""

from shared.contracts.dispatch import BroadcastBatch, BroadcastFollowUp, ReplyRequested
from shared.contracts.events import (
    BroadcastCancelled,
    BroadcastFinished,
    BroadcastProgressed,
    BroadcastStarted,
    DeliveryRefused,
    FeedbackErased,
    FeedbackReceived,
    NoticeAccepted,
    NoticeChecked,
    NoticeRejected,
    ReactionLocated,
    ReactionReceived,
    SubscriberErased,
    SubscriptionChanged,
    SubscriptionEnded,
    SubscriptionStarted,
)
from shared.contracts.inbound import (
    AccountEvents,
    DeliveryStatuses,
    IdentityChanges,
    InboundMessages,
    PreferenceChanges,
    WebhookQuarantined,
)
from shared.contracts.message import Message
from shared.contracts.notices import NoticeCheck, NoticePublished, NoticeUpdated, NoticeWithdrawn

MESSAGES: dict[str, type[Message]] = {
    kind.TYPE: kind
    for kind in (
        InboundMessages,
        DeliveryStatuses,
        PreferenceChanges,
        IdentityChanges,
        AccountEvents,
        WebhookQuarantined,
        NoticePublished,
        NoticeUpdated,
        NoticeWithdrawn,
        NoticeCheck,
        ReplyRequested,
        BroadcastBatch,
        BroadcastFollowUp,
        NoticeAccepted,
        NoticeChecked,
        NoticeRejected,
        BroadcastStarted,
        BroadcastProgressed,
        BroadcastFinished,
        BroadcastCancelled,
        DeliveryRefused,
        SubscriptionStarted,
        SubscriptionChanged,
        SubscriptionEnded,
        SubscriberErased,
        FeedbackReceived,
        FeedbackErased,
        ReactionReceived,
        ReactionLocated,
    )
}

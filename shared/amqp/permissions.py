"""What each broker login may do: patterns of configure, write and read, as RabbitMQ takes them.

Our services' logins stand here; those of municipal systems follow from their registration in the county's file.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from shared.amqp import topology


@dataclass(frozen=True)
class Permission:
    """Regular expressions of resource names; empty matches nothing."""

    configure: str
    write: str
    read: str


def _match_only(names: Iterable[str]) -> str:
    alternatives = "|".join(re.escape(name) for name in names)
    return f"^({alternatives})$" if alternatives else "^$"


def _build_service_permission(name: str, writes: Iterable[str]) -> Permission:
    reads = [queue.name for queue in (*topology.QUEUES, topology.SUBSCRIPTIONS_DEAD_LETTERS) if queue.owner == name]
    return Permission(configure="^$", write=_match_only([*writes, f"{name}.retry"]), read=_match_only(reads))


@dataclass(frozen=True)
class TopicPermission:
    """Beyond that, of a topic exchange: with which routing keys it may be written to, and listened to."""

    exchange: str
    write: str
    read: str


# A municipal system publishes notices and reads what becomes of them. It declares and binds nothing: a queue, a stream
# or a binding of its own could fill the disk, refuse what our services publish, or feed answers back as notices.
MUNICIPAL = Permission(
    configure="^$", write=_match_only([topology.MUNICIPAL_EVENTS]), read=_match_only([topology.ANSWERS])
)
MUNICIPAL_TOPIC_PERMISSIONS = (
    TopicPermission(topology.MUNICIPAL_EVENTS, write=r"^notice\.(published|updated|withdrawn|check)$", read="^$"),
)

# What is in transit on each channel takes memory of the broker, which everybody shares.
MUNICIPAL_LIMITS: Mapping[str, int] = {"max-connections": 5, "max-channels": 10}

SERVICES: Mapping[str, Permission] = {
    "ingress": Permission(configure="^$", write=_match_only([topology.INBOUND]), read="^$"),
    "notices": Permission(
        configure="^$", write=_match_only([topology.API_NOTICES]), read=_match_only([topology.PROGRESS])
    ),
    "subscriptions": _build_service_permission("subscriptions", [topology.DISPATCH, topology.EVENTS]),
    "dispatcher": _build_service_permission("dispatcher", [topology.EVENTS]),
    "quarantine": Permission(
        configure="^$", write=_match_only([topology.INBOUND]), read=_match_only(topology.QUARANTINES)
    ),
}

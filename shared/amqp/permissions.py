"""Permissions of each broker login: patterns for configure, write and read, in RabbitMQ's format.

Logins of our services are defined here; those of municipal systems follow from their registration in the county file.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from shared.amqp import topology


@dataclass(frozen=True, kw_only=True)
class Permission:
    """Permission as regular expressions for resource names; `^$` matches none, so no login configures any."""

    configure: str = "^$"
    write: str
    read: str


def _match_only(names: Iterable[str]) -> str:
    alternatives = "|".join(re.escape(name) for name in names)
    return f"^({alternatives})$" if alternatives else "^$"


def _build_service_permission(name: str, writes: Iterable[str]) -> Permission:
    reads = [queue.name for queue in (*topology.QUEUES, topology.SUBSCRIPTIONS_DEAD_LETTERS) if queue.owner == name]
    return Permission(write=_match_only([*writes, f"{name}.retry"]), read=_match_only(reads))


@dataclass(frozen=True)
class TopicPermission:
    """Topic permission: the routing keys that may be written to a topic exchange and read from it."""

    exchange: str
    write: str
    read: str


# A municipal system publishes notices and reads their answers. It may not declare or bind anything: a queue, stream or
# binding of its own could fill the disk, refuse what our services publish, or feed answers back as notices.
MUNICIPAL = Permission(write=_match_only([topology.MUNICIPAL_EVENTS]), read=_match_only([topology.ANSWERS]))
MUNICIPAL_TOPIC_PERMISSIONS = (
    TopicPermission(topology.MUNICIPAL_EVENTS, write=r"^notice\.(published|updated|withdrawn|check)$", read="^$"),
)

# Messages in transit on each channel use the broker's memory, which all logins share.
MUNICIPAL_LIMITS: Mapping[str, int] = {"max-connections": 5, "max-channels": 10}

SERVICES: Mapping[str, Permission] = {
    "ingress": Permission(write=_match_only([topology.INBOUND]), read="^$"),
    "notices": Permission(write=_match_only([topology.API_NOTICES]), read=_match_only([topology.PROGRESS])),
    "subscriptions": _build_service_permission("subscriptions", [topology.DISPATCH, topology.EVENTS]),
    "dispatcher": _build_service_permission("dispatcher", [topology.EVENTS]),
    "newsroom": _build_service_permission("newsroom", []),
    "quarantine": Permission(write=_match_only([topology.INBOUND]), read=_match_only(topology.QUARANTINES)),
}

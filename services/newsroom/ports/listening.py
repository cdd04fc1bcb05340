"""Ports of what the county hears, and of what the public may know of it."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from services.newsroom.domain.listening import BroadcastEcho, ListeningPeriod, SubscriptionMoves, TopicAudience
from services.newsroom.domain.service_level import BroadcastRun


class ListeningLog(Protocol):
    """Log of what the county hears. Methods raise DatabaseUnavailable."""

    async def list_moves(self, topic: str, period: ListeningPeriod) -> Sequence[SubscriptionMoves]:
        """Return starts and ends of each day on which there was one."""

    async def count_leavers(self, period: ListeningPeriod) -> Mapping[str, int]:
        """Return how many ended each topic, and nothing but that."""

    async def list_audiences(self, period: ListeningPeriod) -> Sequence[TopicAudience]: ...

    async def list_echoes(self, period: ListeningPeriod, topic: str, limit: int) -> Sequence[BroadcastEcho]:
        """Return the answers to the broadcasts that began in the period, newest first; an empty topic means all."""

    async def find_echo(self, broadcast: UUID) -> BroadcastEcho | None:
        """Return the answer to a broadcast; None before it has begun."""


class AudienceCounts(Protocol):
    """Counts of the people that each topic reaches. Methods raise DatabaseUnavailable."""

    async def list_counted_topics(self, since: datetime) -> Collection[str]: ...

    async def record_audience(self, counted: TopicAudience, at: datetime) -> None:
        """Record the count, in place of an earlier one of the same day."""


class BroadcastRunSource(Protocol):
    """Broadcasts for the service level. Methods raise DatabaseUnavailable."""

    async def list_runs(self, since: datetime) -> Sequence[BroadcastRun]: ...

"""Survey of the audience of each topic, from the notices API: the newsroom itself knows no subscribers."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from services.newsroom.adapters.statistics import PostgresStatistics
from services.newsroom.domain.statistics import TopicAudience
from shared.contracts.envelope import encode
from shared.contracts.hours import LOCAL_ZONE
from shared.contracts.notices import NoticePublished
from shared.runtime.clock import Clock
from shared.runtime.notices_api import HttpNoticesApi

_TEXT = "Zählung der Abonnements"
_VALIDITY = timedelta(hours=1)
_RECOUNT_AFTER = timedelta(minutes=15)


@dataclass(frozen=True, kw_only=True)
class AudienceSurvey:
    """Survey of all topics; each run counts empty topics, and the others if 15 minutes have passed."""

    counts: PostgresStatistics
    notices: HttpNoticesApi
    topics: Collection[str]
    source: str
    clock: Clock

    async def run(self) -> None:
        """Count the topics that are due. Raises DatabaseUnavailable and NoticesApiUnavailable."""
        now = self.clock()
        recent = await self.counts.list_counted_topics(now - _RECOUNT_AFTER)
        for topic in self.topics:
            if topic in recent:
                continue
            forecast = await self.notices.check(self._build_event(topic, now))
            if forecast.audience is not None:
                day = now.astimezone(LOCAL_ZONE).date()
                await self.counts.record_audience(TopicAudience(day, topic, forecast.audience), now)

    def _build_event(self, topic: str, now: datetime) -> bytes:
        """Build an event for a check; it is never published."""
        identifier = uuid4().hex
        return encode(
            NoticePublished(topic=topic, headline=_TEXT, text=_TEXT),
            event_id=identifier,
            source=self.source,
            time=now,
            subject=identifier,
            expirytime=now + _VALIDITY,
        )

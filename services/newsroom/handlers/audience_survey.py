"""Survey of how many people each topic reaches, asked of the notices API: the newsroom itself knows no subscribers."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from services.newsroom.adapters.listening import PostgresListeningLog
from services.newsroom.adapters.notices_api import HttpNoticesApi
from services.newsroom.domain.listening import TopicAudience
from shared.contracts.envelope import encode
from shared.contracts.hours import LOCAL_ZONE
from shared.contracts.notices import NoticePublished
from shared.runtime.clock import Clock

_WORDS = "Zählung der Abonnements"
_VALID = timedelta(hours=1)
_COUNTED_FOR = timedelta(minutes=15)


@dataclass(frozen=True, kw_only=True)
class AudienceSurvey:
    """Survey of all topics; run it often: each topic is counted every quarter of an hour, an empty one each time."""

    counts: PostgresListeningLog
    notices: HttpNoticesApi
    topics: Collection[str]
    source: str
    clock: Clock

    async def run(self) -> None:
        """Count what has not been counted lately. Raises DatabaseUnavailable and NoticesApiAway."""
        now = self.clock()
        counted = await self.counts.list_counted_topics(now - _COUNTED_FOR)
        for topic in self.topics:
            if topic in counted:
                continue
            forecast = await self.notices.check(self._build_event(topic, now))
            if forecast.audience is not None:
                day = now.astimezone(LOCAL_ZONE).date()
                await self.counts.record_audience(TopicAudience(day, topic, forecast.audience), now)

    def _build_event(self, topic: str, now: datetime) -> bytes:
        """Return an event that is only checked, never published."""
        identifier = uuid4().hex
        return encode(
            NoticePublished(topic=topic, headline=_WORDS, text=_WORDS),
            event_id=identifier,
            source=self.source,
            time=now,
            subject=identifier,
            expirytime=now + _VALID,
        )

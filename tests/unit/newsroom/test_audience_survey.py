"""The survey asks for each topic, and records only what it was told."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

import pytest

from services.newsroom.adapters.statistics import PostgresStatistics
from services.newsroom.domain.statistics import TopicAudience
from services.newsroom.handlers.audience_survey import AudienceSurvey
from shared.contracts.events import Problem
from shared.contracts.notices_http import NoticeForecast
from shared.notices.rules import validate_event
from shared.runtime.notices_api import NoticesApiUnavailable
from tests.factories.editors import COUNTY, NOON, SYSTEM, ScriptedNoticesApi

TOPICS = ("baustellen", "stellen")


@dataclass
class CountsInMemory(PostgresStatistics):
    """In place of those in PostgreSQL; `fresh` are the topics counted lately."""

    fresh: set[str] = field(default_factory=set)
    recorded: list[TopicAudience] = field(default_factory=list)

    async def list_counted_topics(self, since: datetime) -> Collection[str]:
        assert since < NOON
        return self.fresh

    async def record_audience(self, counted: TopicAudience, at: datetime) -> None:
        assert at == NOON
        self.recorded.append(counted)


def build_survey(counts: CountsInMemory, notices: ScriptedNoticesApi) -> AudienceSurvey:
    return AudienceSurvey(counts=counts, notices=notices, topics=TOPICS, source=SYSTEM.sources[0], clock=lambda: NOON)


async def test_each_topic_is_counted_by_a_notice_that_breaks_no_rule() -> None:
    counts, notices = CountsInMemory(), ScriptedNoticesApi()
    await build_survey(counts, notices).run()
    assert [(each.topic, each.people, each.day) for each in counts.recorded] == [
        (topic, 10, NOON.date()) for topic in TOPICS
    ]
    for event in notices.checked:
        assert validate_event(event, SYSTEM, COUNTY, NOON) == ()


async def test_what_was_counted_lately_is_not_asked_for() -> None:
    counts, notices = CountsInMemory(fresh={*TOPICS}), ScriptedNoticesApi()
    await build_survey(counts, notices).run()
    assert notices.checked == []


async def test_nothing_is_recorded_that_is_not_known() -> None:
    counts = CountsInMemory()
    refused = NoticeForecast(problems=(Problem(field="topic", problem="no"),))
    await build_survey(counts, ScriptedNoticesApi(forecast=refused)).run()
    with pytest.raises(NoticesApiUnavailable):
        await build_survey(counts, ScriptedNoticesApi(forecast=None)).run()
    assert counts.recorded == []

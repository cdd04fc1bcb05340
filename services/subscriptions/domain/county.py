"""The county and its topics, as the configuration file describes them."""

from datetime import time
from enum import StrEnum
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from msgspec import Meta, Struct

from shared.contracts.dispatch import PermittedHours

Short = Annotated[str, Meta(min_length=1, max_length=200)]
TopicId = Annotated[str, Meta(pattern=r"^[a-z][a-z_]{0,39}$")]
PRIVACY_PATTERN = r"^https://\S+$"


class Category(StrEnum):
    """Meta's category of a topic's template; a stop inside WhatsApp concerns marketing only."""

    MARKETING = "marketing"
    UTILITY = "utility"


class Topic(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one subscribes to, and the template that its notices are sent with.

    `words` are other names that citizens use. Notices of a `local` topic may be about one municipality.
    """

    id: TopicId
    title: Short
    template: Annotated[str, Meta(pattern=r"^[a-z0-9_]{1,512}$")]
    category: Category
    language: Short = "de"
    words: tuple[Short, ...] = ()
    local: bool = False


class MunicipalSystem(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A broker login that may publish notices, and the CloudEvents `source` that belongs to it."""

    login: Short
    source: Short


class Hours(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When what is not urgent may be sent: from `opens` until before `closes`, every day, by the clock of `zone`.

    Raises ValueError if it does not open before it closes, or there is no such zone.
    """

    opens: time
    closes: time
    zone: Short = "Europe/Berlin"

    def __post_init__(self) -> None:
        if self.opens >= self.closes:
            raise ValueError("the permitted hours must open before they close")
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError("the permitted hours need a time zone such as Europe/Berlin") from None

    @property
    def permitted(self) -> PermittedHours:
        return PermittedHours(opens=self.opens, closes=self.closes, zone=self.zone)


class County(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything about the county that citizens read, and what is allowed to reach them.

    `name` stands without an article, such as "Landkreis Osterholz". Raises ValueError if two topics, or two
    publishers, are the same.
    """

    name: Short
    telephone: Short
    counter: Short
    hours: Short
    frequency: Short
    privacy_url: Annotated[str, Meta(max_length=200, pattern=PRIVACY_PATTERN)]
    wording_version: Annotated[str, Meta(min_length=1, max_length=20)]
    topics: Annotated[tuple[Topic, ...], Meta(min_length=1)]
    municipalities: tuple[Annotated[str, Meta(min_length=1, max_length=24)], ...] = ()
    emergency: Short = "Feuerwehr und Rettungsdienst 112, Polizei 110"
    feedback_days: Annotated[int, Meta(ge=1, le=1_000)] = 180
    proof_days: Annotated[int, Meta(ge=1, le=4_000)] = 1_100
    publishers: tuple[MunicipalSystem, ...] = ()
    link_hosts: tuple[str, ...] = ()
    permitted_hours: Hours | None = None

    def __post_init__(self) -> None:
        if len({topic.id for topic in self.topics}) < len(self.topics):
            raise ValueError("each topic needs an id of its own")
        if len(set(self.publishers)) < len(self.publishers):
            raise ValueError("a publisher is listed twice")

    @property
    def topic_ids(self) -> frozenset[str]:
        return frozenset(topic.id for topic in self.topics)

    @property
    def names(self) -> dict[str, tuple[str, ...]]:
        """What citizens may call each topic."""
        return {topic.id: (topic.id, topic.title, *topic.words) for topic in self.topics}

    @property
    def local_topics(self) -> frozenset[str]:
        return frozenset(topic.id for topic in self.topics if topic.local)

    @property
    def marketing_topics(self) -> frozenset[str]:
        return frozenset(topic.id for topic in self.topics if topic.category is Category.MARKETING)

    def topic(self, identifier: str) -> Topic | None:
        return next((topic for topic in self.topics if topic.id == identifier), None)

    def may_publish(self, login: str | None, source: str) -> bool:
        return any(known.login == login and known.source == source for known in self.publishers)

"""What notices may be about, as the county's file describes it."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from shared.contracts.notices import Municipality
from shared.municipal.systems import Short, System, TopicId

TemplateName = Annotated[str, Meta(pattern=r"^[a-z0-9_]{1,512}$")]


class Category(StrEnum):
    """Meta's category of a topic's template; a stop inside WhatsApp concerns marketing only."""

    MARKETING = "marketing"
    UTILITY = "utility"


class Topic(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one subscribes to, and the template that its notices are sent with.

    `words` are other names that citizens use. Notices of a `local` topic may be about some municipalities. Those with a
    picture need `picture_template`, the same template with an image above it.
    """

    id: TopicId
    title: Short
    template: TemplateName
    category: Category
    language: Short = "de"
    words: tuple[Short, ...] = ()
    local: bool = False
    picture_template: TemplateName | None = None


class Configuration(Struct, frozen=True, kw_only=True):
    """The part of the county's file that is about notices; the rest of it is not looked at.

    Links and pictures lead to `link_hosts` only. Raises ValueError if two topics or systems are the same, if two
    systems share a source, or if a system is permitted a topic that there is not.
    """

    topics: Annotated[tuple[Topic, ...], Meta(min_length=1)]
    municipalities: tuple[Municipality, ...] = ()
    systems: tuple[System, ...] = ()
    link_hosts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.topic_ids) < len(self.topics):
            raise ValueError("each topic needs an id of its own")
        if len({system.name for system in self.systems}) < len(self.systems):
            raise ValueError("each system needs a name of its own")
        sources = [source for system in self.systems for source in system.sources]
        if len(set(sources)) < len(sources):
            raise ValueError("a source belongs to one system only")
        if not {topic for system in self.systems for topic in system.topics} <= self.topic_ids:
            raise ValueError("a system is permitted a topic that there is not")

    @property
    def topic_ids(self) -> frozenset[str]:
        return frozenset(topic.id for topic in self.topics)

    @property
    def local_topics(self) -> frozenset[str]:
        return frozenset(topic.id for topic in self.topics if topic.local)

    def topic(self, identifier: str) -> Topic | None:
        return next((topic for topic in self.topics if topic.id == identifier), None)

    def system(self, name: str | None) -> System | None:
        return next((system for system in self.systems if system.name == name), None)

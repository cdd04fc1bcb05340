"""Configuration of topics, systems and prices in the county file."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from shared.contracts.notices import Municipality
from shared.notices.systems import ShortText, System, TopicId

MAX_PRICE_EUROS = 10
TemplateName = Annotated[str, Meta(pattern=r"^[a-z0-9_]{1,512}$")]


class Category(StrEnum):
    """Meta's category of a topic's template; a stop inside WhatsApp concerns marketing only."""

    MARKETING = "marketing"
    UTILITY = "utility"


class Prices(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Prices of one message, in euros, charged by Meta. Raises ValueError for an implausible price."""

    marketing: Decimal | None = None
    utility: Decimal | None = None

    def __post_init__(self) -> None:
        if any(price is not None and not 0 <= price <= MAX_PRICE_EUROS for price in (self.marketing, self.utility)):
            raise ValueError(f"a price is 0 to {MAX_PRICE_EUROS} euros")

    def get_price(self, category: Category) -> Decimal | None:
        return self.marketing if category is Category.MARKETING else self.utility


class Topic(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Topic to subscribe to, and the template of its notices.

    `words` are other names that citizens use; `about` are words that suggest the topic, `*` standing for any letters
    (`"konzert*"`). Notices of a `local` topic may be limited to some municipalities. Those with a picture need
    `picture_template`, the same template with an image above it.
    """

    id: TopicId
    title: ShortText
    template: TemplateName
    category: Category
    language: ShortText = "de"
    words: tuple[ShortText, ...] = ()
    about: tuple[ShortText, ...] = ()
    local: bool = False
    picture_template: TemplateName | None = None

    def list_templates(self) -> tuple[str, ...]:
        return (self.template, self.picture_template) if self.picture_template else (self.template,)


class Configuration(Struct, frozen=True, kw_only=True):
    """Configuration of notices in the county file; other parts of the file are ignored.

    Links and pictures may lead to `link_hosts` only. Raises ValueError for a duplicate name or an unknown reference.
    """

    topics: Annotated[tuple[Topic, ...], Meta(min_length=1)]
    municipalities: tuple[Municipality, ...] = ()
    systems: tuple[System, ...] = ()
    link_hosts: tuple[str, ...] = ()
    prices: Prices = Prices()

    def __post_init__(self) -> None:
        for wrong, problem in self._find_problems():
            if wrong:
                raise ValueError(problem)

    def _find_problems(self) -> Iterator[tuple[bool, str]]:
        names = [system.name for system in self.systems]
        sources = [source for system in self.systems for source in system.sources]
        permitted = {topic for system in self.systems for topic in system.topics}
        managed = {source for system in self.systems for source in system.manages}
        reserved = [system.name for system in self.systems if system.has_reserved_name]
        yield len(self.topic_ids) < len(self.topics), "each topic needs an id of its own"
        yield len(set(names)) < len(names), f"each system needs a name of its own: {_list_duplicates(names)}"
        for name in reserved:
            yield True, f"{name} is a login of Kreisfunk itself: a system needs another name"
        yield len(set(sources)) < len(sources), f"a source belongs to one system only: {_list_duplicates(sources)}"
        unknown, known = ", ".join(sorted(permitted - self.topic_ids)), ", ".join(sorted(self.topic_ids))
        yield bool(unknown), f"a system refers to an unknown topic: {unknown}; known topics are {known}"
        yield not managed <= set(sources), "a system manages a source that belongs to nobody"

    @property
    def topic_ids(self) -> frozenset[str]:
        return frozenset(topic.id for topic in self.topics)

    @property
    def local_topics(self) -> frozenset[str]:
        return frozenset(topic.id for topic in self.topics if topic.local)

    def find_topic(self, identifier: str) -> Topic | None:
        return next((topic for topic in self.topics if topic.id == identifier), None)

    def find_system(self, name: str | None) -> System | None:
        return next((system for system in self.systems if system.name == name), None)


def _list_duplicates(values: Sequence[str]) -> str:
    return ", ".join(sorted({value for value in values if values.count(value) > 1}))

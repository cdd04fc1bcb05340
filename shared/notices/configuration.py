"""Configuration of topics, systems and prices in the county file."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta, Struct

from shared.contracts.dispatch import PermittedHours
from shared.contracts.notices import Municipality
from shared.notices.schema_errors import explain_schema_error

ShortText = Annotated[str, Meta(min_length=1, max_length=200)]
TopicId = Annotated[str, Meta(pattern=r"^[a-z][a-z_]{0,39}$")]
NOTICES_API_LOGIN = "notices"  # broker login of the notices API
# Logins of our own services and the broker's default one; names that begin with `kreisfunk` are reserved, too.
RESERVED_LOGINS = frozenset(
    {NOTICES_API_LOGIN, "ingress", "subscriptions", "dispatcher", "newsroom", "quarantine", "guest"}
)
SystemName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]

Quota = Annotated[int, Meta(ge=0, le=100_000)]


class System(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Registered system; `name` is its broker login and its name at the notices API.

    Each CloudEvents source in `sources` belongs to it alone. It may also update and withdraw notices of the sources in
    `manages`, which belong to other systems. The quotas limit accepted notices, including updates, in any hour and any
    24 hours; published notices can always be withdrawn.
    """

    name: SystemName
    sources: Annotated[tuple[ShortText, ...], Meta(min_length=1)]
    topics: Annotated[tuple[TopicId, ...], Meta(min_length=1)]
    manages: tuple[ShortText, ...] = ()
    notices_per_hour: Quota = 30
    notices_per_day: Quota = 100
    urgent_per_day: Quota = 20

    @property
    def has_reserved_name(self) -> bool:
        return self.name in RESERVED_LOGINS or self.name.startswith("kreisfunk")


MAX_PRICE_EUROS = 10
TemplateName = Annotated[str, Meta(pattern=r"^[a-z0-9_]{1,512}$")]


class Category(StrEnum):
    """Meta's category of a topic's template; a stop inside WhatsApp concerns marketing only."""

    MARKETING = "marketing"
    UTILITY = "utility"


class Prices(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Meta's prices of one message, in euros. Raises ValueError for an implausible price."""

    marketing: Decimal | None = None
    utility: Decimal | None = None

    def __post_init__(self) -> None:
        if any(price is not None and not 0 <= price <= MAX_PRICE_EUROS for price in (self.marketing, self.utility)):
            raise ValueError(f"a price is 0 to {MAX_PRICE_EUROS} euros")

    def get_price(self, category: Category) -> Decimal | None:
        return self.marketing if category is Category.MARKETING else self.utility


class Topic(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Topic that citizens subscribe to, with the template of its notices.

    `words` are other names that citizens use; `about` are words that suggest the topic, where `*` stands for any
    letters (`"konzert*"`). Notices about a `local` topic may be limited to some municipalities. Notices with a picture
    need `picture_template`, the same template with an image above it.
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

    def choose_template(self, picture: str | None) -> str:
        """Return the name of the template for a notice with or without a picture."""
        return (picture and self.picture_template) or self.template

    def list_templates(self) -> tuple[str, ...]:
        return (self.template, self.picture_template) if self.picture_template else (self.template,)


class Hours(PermittedHours, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=False):
    """Hours in which messages that are not urgent may be sent.

    Raises ValueError if they do not open before they close, or the zone is unknown.
    """

    zone: ShortText = "Europe/Berlin"

    def __post_init__(self) -> None:
        if self.opens >= self.closes:
            raise ValueError("the permitted hours must open before they close")
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError("the permitted hours need a time zone such as Europe/Berlin") from None


class Configuration(Struct, frozen=True, kw_only=True):
    """Configuration of notices in the county file; other parts of the file are ignored.

    Links and pictures may point to `link_hosts` only. Raises ValueError for a duplicate name or an unknown reference.
    """

    topics: Annotated[tuple[Topic, ...], Meta(min_length=1)]
    municipalities: tuple[Municipality, ...] = ()
    systems: tuple[System, ...] = ()
    link_hosts: tuple[str, ...] = ()
    prices: Prices = Prices()

    def __post_init__(self) -> None:
        for is_present, problem in self._find_problems():
            if is_present:
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

    @property
    def has_places(self) -> bool:
        """Return whether citizens can choose municipalities, and a topic depends on them."""
        return bool(self.municipalities and self.local_topics)

    def find_topic(self, identifier: str) -> Topic | None:
        return next((topic for topic in self.topics if topic.id == identifier), None)

    def find_system(self, name: str | None) -> System | None:
        return next((system for system in self.systems if system.name == name), None)


def _list_duplicates(values: Sequence[str]) -> str:
    return ", ".join(sorted({value for value in values if values.count(value) > 1}))


C = TypeVar("C", bound=Struct)


class ConfigurationError(Exception):
    """The file is unreadable or invalid; the message names the file and the problem."""


def read_configuration(path: Path, configuration_type: type[C]) -> C:
    """Return the configuration in a TOML file. Raises ConfigurationError."""
    try:
        return msgspec.toml.decode(path.read_text("utf-8-sig"), type=configuration_type)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{path}: {explain_schema_error(str(error))}") from None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: {error}") from None

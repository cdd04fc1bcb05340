"""Schema and reader of the TOML file with feeds and warnings to poll, and rules for publishing them."""

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from shared.contracts.notices import Municipality
from shared.notices.configuration import (
    Configuration,
    ConfigurationError,
    ShortText,
    SystemName,
    TopicId,
    read_configuration,
)
from shared.notices.time_parsing import parse_duration

Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
Address = Annotated[str, Meta(pattern=r"^https?://[^\s]+$", max_length=2000)]
Pattern = Annotated[str, Meta(min_length=1, max_length=500)]
Duration = Annotated[str, Meta(pattern=r"^[1-9][0-9]{0,4}[mhd]$")]


class Mode(StrEnum):
    """Publishing mode: `draft` saves a file until a person publishes it, `direct` publishes at once."""

    DRAFT = "draft"
    DIRECT = "direct"


class FirstPoll(StrEnum):
    """Treatment of the entries in the first poll of a feed."""

    MARK = "mark"
    PUBLISH = "publish"


class UpdateBy(StrEnum):
    """Kind of update: `revision` replaces the notice for everyone, `follow-up` is sent to its recipients only."""

    REVISION = "revision"
    FOLLOW_UP = "follow-up"


class CancelBy(StrEnum):
    """Kind of cancellation: both withdraw the notice, `all-clear` also sends an all-clear to its recipients."""

    ALL_CLEAR = "all-clear"
    WITHDRAW = "withdraw"


class FeedRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule; the first one whose patterns (regular expressions, ignoring case) all match applies.

    `skip` leaves the entry out. Fields that a rule omits are taken from the feed.
    """

    title: Pattern | None = None
    category: Pattern | None = None
    text: Pattern | None = None
    topic: TopicId | None = None
    municipalities: tuple[Municipality, ...] | None = None
    urgent: bool | None = None
    mode: Mode | None = None
    skip: bool = False

    def __post_init__(self) -> None:
        for pattern in filter(None, (self.title, self.category, self.text)):
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is not a valid regular expression: {error}") from None


class Origin(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Common fields of feeds and warnings. Without `topic`, only entries with a topic from a rule are published."""

    name: Name
    topic: TopicId | None = None
    mode: Mode = Mode.DRAFT
    rules: tuple[FeedRule, ...] = ()
    every: Duration = "15m"
    expires_in: Duration = "2d"

    def __post_init__(self) -> None:
        if self.topic is None and not any(rule.topic for rule in self.rules):
            raise ValueError(f"{self.name}: needs a topic, or rules with one")

    @property
    def interval_seconds(self) -> float:
        return parse_duration(self.every).total_seconds()


class FeedOrigin(Origin, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An RSS or Atom feed. Entries older than `oldest` are never published; `most_at_once` limits a poll.

    Entries beyond that limit become drafts, so that a website that changes all its ids cannot flood subscribers.
    """

    url: Address
    urgent: bool = False
    updates: bool = False
    first_poll: FirstPoll = FirstPoll.MARK
    oldest: Duration = "7d"
    most_at_once: Annotated[int, Meta(ge=1, le=1000)] | None = None
    text_without_summary: ShortText = "Mehr dazu auf unserer Internetseite."


class UrgentWhen(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A warning is urgent if both its severity and its urgency are listed here."""

    severity: tuple[str, ...] = ("Extreme", "Severe")
    urgency: tuple[str, ...] = ("Immediate", "Expected")


class AlertOrigin(Origin, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Warnings in CAP 1.2: a file or folder (`files`), or the URL of an alert or of a feed that links to them (`url`).

    `files` is relative to the folder of this configuration file.

    With `senders`, alerts of other senders are ignored. `areas` maps a geocode (a trailing `*` matches anything) or an
    area's description to municipalities, or to `*`, the whole county; if set, alerts about other areas are left out.
    """

    files: Annotated[str, Meta(min_length=1)] | None = None
    url: Address | None = None
    every: Duration = "1m"
    expires_in: Duration = "12h"
    first_poll: FirstPoll = FirstPoll.PUBLISH
    senders: tuple[ShortText, ...] = ()
    languages: tuple[ShortText, ...] = ("de",)
    areas: dict[str, str | tuple[str, ...]] = {}
    urgent: UrgentWhen = UrgentWhen()
    update: UpdateBy = UpdateBy.REVISION
    cancel: CancelBy = CancelBy.ALL_CLEAR
    all_clear_headline: ShortText = "Entwarnung"
    all_clear_text: ShortText = "Die Warnung ist aufgehoben."

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.files is None) == (self.url is None):
            raise ValueError(f"{self.name}: needs either files or url")


class FeedsFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file. Everything is published as `system` with `source`, which has to belong to that system.

    `contact` is an address in the User-Agent, at which the website's staff can reach the operator.
    Only hosts in `internal_hosts` may have private, loopback or link-local addresses.
    """

    system: SystemName
    source: ShortText
    contact: ShortText | None = None
    internal_hosts: tuple[ShortText, ...] = ()
    feeds: tuple[FeedOrigin, ...] = ()
    alerts: tuple[AlertOrigin, ...] = ()

    def __post_init__(self) -> None:
        if not self.origins:
            raise ValueError("it contains neither [[feeds]] nor [[alerts]]")
        names = [origin.name for origin in self.origins]
        if len(set(names)) < len(names):
            raise ValueError("the names of feeds and alerts must be unique")

    @property
    def origins(self) -> tuple[FeedOrigin | AlertOrigin, ...]:
        return (*self.feeds, *self.alerts)


def read_files(feeds_file: Path, county_file: Path) -> tuple[FeedsFile, Configuration]:
    """Read both files. Raises ConfigurationError, also if they are inconsistent."""
    file, county = read_configuration(feeds_file, FeedsFile), read_configuration(county_file, Configuration)
    contradictions = find_contradictions(file, county)
    if contradictions:
        raise ConfigurationError("\n".join((f"{feeds_file} does not fit {county_file}:", *contradictions)))
    return file, county


def find_contradictions(file: FeedsFile, county: Configuration) -> tuple[str, ...]:
    """Return everything in the file that the county's file does not permit; empty if both are consistent."""
    contradictions = []
    system = county.find_system(file.system)
    if system is None:
        contradictions.append(f"system: {file.system} is not registered in the county's file ([[systems]])")
    elif file.source not in system.sources:
        contradictions.append(f"source: {file.source} does not belong to the system {file.system}")
    permitted = frozenset(system.topics) if system else county.topic_ids
    for origin in file.origins:
        topics = {origin.topic, *(rule.topic for rule in origin.rules)}
        contradictions += [
            f"{origin.name}: the system may not publish about {topic}" for topic in topics - permitted if topic
        ]
        contradictions += [
            f"{origin.name}: the county has no {name}"
            for name in _list_municipalities(origin) - set(county.municipalities)
        ]
    return tuple(contradictions)


def _list_municipalities(origin: Origin) -> set[str]:
    municipalities = {name for rule in origin.rules for name in rule.municipalities or ()}
    if isinstance(origin, AlertOrigin):
        groups = (names if isinstance(names, tuple) else (names,) for names in origin.areas.values())
        municipalities |= {name for names in groups for name in names} - {"*"}
    return municipalities

"""The file that says which feeds and warnings are read, and what becomes of them."""

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct

from cli.publish.moments import parse_duration
from shared.contracts.notices import Municipality
from shared.notices.configuration import Configuration
from shared.notices.systems import ShortText, SystemName, TopicId

Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
Address = Annotated[str, Meta(pattern=r"^https?://[^\s]+$", max_length=2000)]
Pattern = Annotated[str, Meta(min_length=1, max_length=500)]
Duration = Annotated[str, Meta(pattern=r"^[1-9][0-9]{0,4}[mhd]$")]
C = TypeVar("C")


class Mode(StrEnum):
    """`draft`: kept as a file until a person publishes it. `direct`: published as it comes."""

    DRAFT = "draft"
    DIRECT = "direct"


class FirstPoll(StrEnum):
    """What becomes of entries that are there when a feed is read for the first time."""

    MARK = "mark"
    PUBLISH = "publish"


class UpdateBy(StrEnum):
    """`revision` goes to everybody, in place of the earlier one; `follow-up` to those who got the earlier one."""

    REVISION = "revision"
    FOLLOW_UP = "follow-up"


class CancelBy(StrEnum):
    """Both withdraw. `all-clear` also tells those who got the warning."""

    ALL_CLEAR = "all-clear"
    WITHDRAW = "withdraw"


class FeedRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Applies if all its patterns (regular expressions, case does not matter) are found; the first that does decides.

    `skip` leaves the entry out. Of what a rule does not say, the feed's own words hold.
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
                raise ValueError(f"{pattern!r} is no regular expression: {error}") from None


class Origin(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What feeds and warnings have in common. Without `topic` only what a rule names a topic for is taken."""

    name: Name
    topic: TopicId | None = None
    mode: Mode = Mode.DRAFT
    rules: tuple[FeedRule, ...] = ()
    every: Duration = "15m"
    expires_in: Duration = "2d"

    def __post_init__(self) -> None:
        if self.topic is None and not any(rule.topic for rule in self.rules):
            raise ValueError(f"{self.name}: give a topic, or rules that name one")

    @property
    def every_seconds(self) -> float:
        return parse_duration(self.every).total_seconds()


class FeedOrigin(Origin, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An RSS or Atom feed. Entries dated before `oldest` are never published; `most_at_once` bounds a poll.

    What a poll finds beyond that becomes drafts: a website that gives all its pages new ids floods nobody.
    """

    url: Address
    urgent: bool = False
    updates: bool = False
    first_poll: FirstPoll = FirstPoll.MARK
    oldest: Duration = "7d"
    most_at_once: Annotated[int, Meta(ge=1, le=1000)] | None = None
    text_without_summary: ShortText = "Mehr dazu auf unserer Internetseite."


class UrgentWhen(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A warning is urgent if its severity and its urgency are among these."""

    severity: tuple[str, ...] = ("Extreme", "Severe")
    urgency: tuple[str, ...] = ("Immediate", "Expected")


class AlertOrigin(Origin, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Warnings in CAP 1.2: a file or a folder of them, or the address of one or of a feed that links to them.

    The path `files` begins at the folder of this configuration.

    With `senders`, only theirs are obeyed. `areas` maps a geocode (`*` at its end stands for anything) or an area's
    description to municipalities, or to `*`, the whole county; with it, what is about other areas is left out.
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
            raise ValueError(f"{self.name}: give either files or url")


class FeedsFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file. Everything is published in the name of `system`, with `source`, which has to belong to it.

    `contact` is an address at which the website's people can reach whoever runs this; it is in the User-Agent.
    Only the hosts in `internal_hosts` may be at private, loopback and link-local addresses, wherever they are named.
    """

    system: SystemName
    source: ShortText
    contact: ShortText | None = None
    internal_hosts: tuple[ShortText, ...] = ()
    feeds: tuple[FeedOrigin, ...] = ()
    alerts: tuple[AlertOrigin, ...] = ()

    def __post_init__(self) -> None:
        if not self.origins:
            raise ValueError("there is neither a [[feeds]] nor an [[alerts]] in it")
        names = [origin.name for origin in self.origins]
        if len(set(names)) < len(names):
            raise ValueError("each of the feeds and alerts needs a name of its own")

    @property
    def origins(self) -> tuple[Origin, ...]:
        return (*self.feeds, *self.alerts)


class FeedsFileError(Exception):
    """The file cannot be read or says something that cannot be; the text names the place."""


def read_feeds_file(path: Path) -> FeedsFile:
    """Raises FeedsFileError."""
    try:
        return msgspec.toml.decode(path.read_bytes(), type=FeedsFile)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FeedsFileError(f"{path}: {error}") from None


def find_contradictions(file: FeedsFile, county: Configuration) -> tuple[str, ...]:
    """What the county's file does not permit; empty means that both fit together."""
    found = []
    system = county.find_system(file.system)
    if system is None:
        found.append(f"system: {file.system} is not registered in the county's file ([[systems]])")
    elif file.source not in system.sources:
        found.append(f"source: {file.source} does not belong to the system {file.system}")
    permitted = frozenset(system.topics) if system else county.topic_ids
    for origin in file.origins:
        topics = {origin.topic, *(rule.topic for rule in origin.rules)} - {None}
        found += [f"{origin.name}: the system may not publish about {topic}" for topic in topics - permitted if topic]
        found += [
            f"{origin.name}: the county has no {name}"
            for name in _list_municipalities(origin) - set(county.municipalities)
        ]
    return tuple(found)


def _list_municipalities(origin: Origin) -> set[str]:
    places = {name for rule in origin.rules for name in rule.municipalities or ()}
    if isinstance(origin, AlertOrigin):
        mapped = (names if isinstance(names, tuple) else (names,) for names in origin.areas.values())
        places |= {name for names in mapped for name in names} - {"*"}
    return places

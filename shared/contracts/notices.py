"""What municipal systems tell us: exchange `municipal.events`."""

from datetime import datetime
from typing import Annotated, ClassVar

from msgspec import Meta

from shared.contracts.message import Message

NoticeId = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9._:-]+$")]
Revision = Annotated[int, Meta(ge=1, le=1_000_000)]
Headline = Annotated[str, Meta(min_length=1, max_length=120)]
Text = Annotated[str, Meta(min_length=1, max_length=800)]
Link = Annotated[str, Meta(max_length=200, pattern=r"^https://[^\s]+$")]
Municipality = Annotated[str, Meta(min_length=1, max_length=24)]
SpreadMinutes = Annotated[int, Meta(ge=1, le=1440)]
Expiry = Annotated[datetime, Meta(tz=True)]


class NoticePublished(Message, frozen=True, kw_only=True):
    """A notice that goes to all subscribers of its topic, once for each revision.

    `expires_at` is the moment after which nobody may get it any more. `urgent` overtakes everything but
    replies. With a `municipality` it goes to those who chose it or chose none. Line breaks in `text` become
    spaces: WhatsApp allows none in a template's parameter. `spread_minutes` sends one after the other over that
    time, instead of as fast as the number permits. `follows` is an earlier notice of the same source and topic: this
    one, a correction or an all-clear, goes to exactly those who got that one.
    """

    TYPE: ClassVar[str] = "de.kreisfunk.notice.published.v1"
    KEY: ClassVar[str] = "notice.published"

    notice: NoticeId
    topic: str
    headline: Headline
    text: Text
    expires_at: Expiry
    revision: Revision = 1
    link: Link | None = None
    municipality: Municipality | None = None
    urgent: bool = False
    spread_minutes: SpreadMinutes | None = None
    follows: NoticeId | None = None


class NoticeWithdrawn(Message, frozen=True, kw_only=True):
    """A notice that must not reach anybody any more; what has been sent stays sent."""

    TYPE: ClassVar[str] = "de.kreisfunk.notice.withdrawn.v1"
    KEY: ClassVar[str] = "notice.withdrawn"

    notice: NoticeId
    reason: Annotated[str, Meta(max_length=200)] = ""

"""Events from municipal systems: exchange `municipal.events`.

Some values are CloudEvents attributes: `subject` is the notice's permanent id, `expirytime` the time after which it is
no longer sent, and `source` and `id` together identify the event.
"""

from typing import Annotated, Any, ClassVar

from msgspec import Meta

from shared.contracts.message import Message, Moment

NoticeId = Annotated[str, Meta(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9._:-]+$")]
Headline = Annotated[str, Meta(min_length=1, max_length=120)]
Text = Annotated[str, Meta(min_length=1, max_length=800)]
HttpsUrl = Annotated[str, Meta(max_length=200, pattern=r"^https://[^\s]+$")]
Municipality = Annotated[str, Meta(min_length=1, max_length=24)]
SpreadMinutes = Annotated[int, Meta(ge=1, le=1440)]


class NoticeContent(Message, frozen=True, kw_only=True):
    """Content and timing of a notice; the text is a single line, since WhatsApp allows no line breaks in it."""

    topic: str
    headline: Headline
    text: Text
    link: HttpsUrl | None = None
    picture: HttpsUrl | None = None
    municipalities: Annotated[tuple[Municipality, ...], Meta(max_length=50)] = ()
    urgent: bool = False
    scheduled_at: Moment | None = None
    spread_minutes: SpreadMinutes | None = None
    follows: NoticeId | None = None


class NoticePublished(NoticeContent, frozen=True, kw_only=True):
    """A new notice (revision 1), sent once to all subscribers of its topic.

    `picture` is the URL of a JPEG or PNG. With `municipalities` the notice is sent to those who chose one of them or
    none. An `urgent` notice overtakes everything but replies. Nothing is sent before `scheduled_at`. `spread_minutes`
    spreads the messages over that time instead of sending at the full rate. `follows` names an earlier notice of the
    same source and topic, whose recipients alone get this one, a correction or an all-clear.
    """

    TYPE: ClassVar[str] = "de.kreisfunk.notice.published.v1"
    KEY: ClassVar[str] = "notice.published"


class NoticeUpdated(NoticeContent, frozen=True, kw_only=True):
    """The complete next revision of a notice: it replaces unsent messages of the previous one, and is sent to all.

    Each update increases `revision`.
    """

    TYPE: ClassVar[str] = "de.kreisfunk.notice.updated.v1"
    KEY: ClassVar[str] = "notice.updated"

    revision: Annotated[int, Meta(ge=2, le=1_000_000)]


class NoticeWithdrawn(Message, frozen=True, kw_only=True):
    """Withdrawal of a notice, which is no longer sent; messages already sent remain."""

    TYPE: ClassVar[str] = "de.kreisfunk.notice.withdrawn.v1"
    KEY: ClassVar[str] = "notice.withdrawn"

    reason: Annotated[str, Meta(max_length=200)] = ""


class NoticeCheck(Message, frozen=True, kw_only=True):
    """Request to check `event`, a CloudEvent in structured JSON, without publishing it.

    The answer is `notice.checked`. The request needs no subject; each request needs a new id.
    """

    TYPE: ClassVar[str] = "de.kreisfunk.notice.check.v1"
    KEY: ClassVar[str] = "notice.check"

    event: dict[str, Any]


NoticeEvent = NoticePublished | NoticeUpdated | NoticeWithdrawn

"""Request bodies of the control API; unknown fields are errors, so that typing mistakes are noticed."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

MAX_TEXT_LENGTH = 4096

Count = Annotated[int, Meta(ge=0, le=100_000)]
ShortText = Annotated[str, Meta(max_length=256)]


class AddCitizens(Struct, frozen=True, forbid_unknown_fields=True):
    """Number of citizens to add.

    `bsuid_only` of them share only a user id, `bsuid_in_from` show the user id in place of their number.
    """

    count: Annotated[int, Meta(ge=1, le=100_000)]
    bsuid_only: Count = 0
    bsuid_in_from: Count = 0


class ActionRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """One action of a citizen: exactly one of the fields up to `unsupported`.

    `edit` is the new text of the citizen's newest text message, `revoke` deletes the citizen's newest message.
    """

    text: Annotated[str, Meta(min_length=1, max_length=MAX_TEXT_LENGTH)] | None = None
    button: ShortText | None = None
    reaction: ShortText | None = None
    media: Literal["image", "video", "audio", "voice", "document", "sticker"] | None = None
    location: Literal[True] | None = None
    contact: Literal[True] | None = None
    edit: Annotated[str, Meta(min_length=1, max_length=MAX_TEXT_LENGTH)] | None = None
    revoke: Literal[True] | None = None
    unsupported: ShortText | None = None
    message: int | None = None
    forwarded: bool = False


class NewNumber(Struct, frozen=True, forbid_unknown_fields=True):
    """Change of number; `older_shape` reports it as Meta did before user ids existed."""

    older_shape: bool = False


class BroadcastWriting(Struct, frozen=True, forbid_unknown_fields=True):
    """The same text written by many citizens."""

    text: Annotated[str, Meta(min_length=1, max_length=MAX_TEXT_LENGTH)]
    citizens: list[int] | Literal["all"] = "all"
    per_second: Annotated[float, Meta(gt=0, le=100_000)] = 100


class PreferenceRequest(Struct, frozen=True, forbid_unknown_fields=True):
    value: Literal["stop", "resume"]


class TemplateStatus(Struct, frozen=True, forbid_unknown_fields=True):
    """New status of a template; `reason` is why it was rejected, in Meta's words."""

    status: Literal["APPROVED", "PAUSED", "DISABLED", "REJECTED"]
    reason: ShortText = "NONE"


class Tier(Struct, frozen=True, forbid_unknown_fields=True):
    """Number of people to whom the business may start writing within 24 hours; null means any number."""

    people_a_day: Annotated[int, Meta(ge=0, le=1_000_000_000)] | None


class AccountAnnouncement(Struct, frozen=True, forbid_unknown_fields=True):
    """Webhook about the account of the business, in Meta's form."""

    field: ShortText
    value: dict[str, Any]

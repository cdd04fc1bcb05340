"""What tests and the page may ask for; unknown fields are errors, so that a typing mistake is seen."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

MOST_TEXT = 4096

Count = Annotated[int, Meta(ge=0, le=100_000)]
ShortText = Annotated[str, Meta(max_length=256)]


class AddCitizens(Struct, frozen=True, forbid_unknown_fields=True):
    """`bsuid_only` of the new ones share only a user id, `bsuid_in_from` show it as their number."""

    count: Annotated[int, Meta(ge=1, le=100_000)]
    bsuid_only: Count = 0
    bsuid_in_from: Count = 0


class Write(Struct, frozen=True, forbid_unknown_fields=True):
    """One act of a citizen: exactly one of text, button, reaction, media, location or unsupported."""

    text: Annotated[str, Meta(min_length=1, max_length=MOST_TEXT)] | None = None
    button: ShortText | None = None
    reaction: ShortText | None = None
    media: Literal["image", "video", "audio", "document", "sticker"] | None = None
    location: bool | None = None
    unsupported: ShortText | None = None
    message: int | None = None
    forwarded: bool = False


class BroadcastWriting(Struct, frozen=True, forbid_unknown_fields=True):
    """Many citizens write the same."""

    text: Annotated[str, Meta(min_length=1, max_length=MOST_TEXT)]
    citizens: list[int] | Literal["all"] = "all"
    per_second: Annotated[float, Meta(gt=0, le=100_000)] = 100


class Preference(Struct, frozen=True, forbid_unknown_fields=True):
    value: Literal["stop", "resume"]


class TemplateStatus(Struct, frozen=True, forbid_unknown_fields=True):
    status: Literal["APPROVED", "PAUSED", "DISABLED"]

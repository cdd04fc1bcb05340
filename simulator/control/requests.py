"""Request bodies of the control API; unknown fields are errors, so that typing mistakes are noticed."""

from typing import Annotated, Any, Literal, TypeVar

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from simulator.access import ControlError

Count = Annotated[int, Meta(ge=0, le=100_000)]
ShortText = Annotated[str, Meta(max_length=256)]
Text = Annotated[str, Meta(min_length=1, max_length=4096)]
T = TypeVar("T")


async def read_body(request: web.Request, body_type: type[T]) -> T:
    """Decode the body as `body_type`; raise ControlError 400 if it does not fit."""
    try:
        return msgspec.json.decode(await request.read(), type=body_type)
    except msgspec.MsgspecError as error:
        raise ControlError(400, str(error)) from error


def parse_number(request: web.Request, name: str, default: int, maximum: int) -> int:
    """Parse a whole number from 0 to `maximum` in the query; raise ControlError 400 for anything else."""
    text = request.query.get(name)
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > 12 or int(text) > maximum:
        raise ControlError(400, f"{name} must be a number from 0 to {maximum}")
    return int(text)


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

    text: Text | None = None
    button: ShortText | None = None
    reaction: ShortText | None = None
    media: Literal["image", "video", "audio", "voice", "document", "sticker"] | None = None
    location: Literal[True] | None = None
    contact: Literal[True] | None = None
    edit: Text | None = None
    revoke: Literal[True] | None = None
    unsupported: ShortText | None = None
    message: int | None = None
    forwarded: bool = False


class NewNumber(Struct, frozen=True, forbid_unknown_fields=True):
    """Change of number; `older_shape` reports it as Meta did before user ids existed."""

    older_shape: bool = False


class BroadcastWriting(Struct, frozen=True, forbid_unknown_fields=True):
    text: Text
    citizens: list[int] | Literal["all"] = "all"
    per_second: Annotated[float, Meta(gt=0, le=100_000)] = 100


class PreferenceRequest(Struct, frozen=True, forbid_unknown_fields=True):
    value: Literal["stop", "resume"]


class TemplateStatus(Struct, frozen=True, forbid_unknown_fields=True):
    """New status of a template; `reason` is Meta's word for the cause of a rejection."""

    status: Literal["APPROVED", "PAUSED", "DISABLED", "REJECTED"]
    reason: ShortText = "NONE"


class Tier(Struct, frozen=True, forbid_unknown_fields=True):
    """Number of people to whom the business may start writing within 24 hours; null means any number."""

    people_a_day: Annotated[int, Meta(ge=0, le=1_000_000_000)] | None


class AccountAnnouncement(Struct, frozen=True, forbid_unknown_fields=True):
    """Webhook about the account of the business, in Meta's form."""

    field: ShortText
    value: dict[str, Any]

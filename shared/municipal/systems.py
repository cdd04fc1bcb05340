"""Municipal systems: who may publish in whose name, about what, and how much."""

from typing import Annotated

from msgspec import Meta, Struct

Short = Annotated[str, Meta(min_length=1, max_length=200)]
TopicId = Annotated[str, Meta(pattern=r"^[a-z][a-z_]{0,39}$")]
SystemName = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]


class System(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One registered system; `name` is its broker login and its name at the HTTP door.

    Each CloudEvents source in `sources` belongs to it alone. `notices_per_day` counts what was accepted in the last
    24 hours, updates included.
    """

    name: SystemName
    sources: Annotated[tuple[Short, ...], Meta(min_length=1)]
    topics: Annotated[tuple[TopicId, ...], Meta(min_length=1)]
    notices_per_day: Annotated[int, Meta(ge=1, le=100_000)] = 100

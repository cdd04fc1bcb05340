"""Registered municipal systems: their sources, topics and quotas."""

from typing import Annotated

from msgspec import Meta, Struct

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

    Each CloudEvents source in `sources` belongs to it alone; of the sources in `manages`, which belong to others, it
    may update and withdraw notices. The quotas limit accepted notices, updates included, in any hour and any 24 hours;
    withdrawals are always permitted.
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

"""Erasure of people's addresses."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from shared.contracts.message import Address, AddressKind


@dataclass(frozen=True, kw_only=True)
class Erasure:
    """People whose addresses must be erased, also from their deliveries; `user` is set until Meta has been asked."""

    id: UUID
    subscribers: Sequence[UUID]
    indexes: Sequence[bytes]
    user_index: bytes | None
    user_sealed: bytes | None

    @property
    def user(self) -> Address | None:
        if self.user_index and self.user_sealed:
            return Address(kind=AddressKind.USER, index=self.user_index, sealed=self.user_sealed)
        return None

"""Ids as the services make them."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

from shared.contracts.ids import make_timed_id


def generate_id() -> UUID:
    return make_timed_id(datetime.now(UTC), uuid4().bytes)

"""Erasures and reactions on a real ledger."""

from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import msgspec
import pytest

from services.dispatcher.adapters.ledger import PostgresLedger
from services.dispatcher.adapters.recipients import MAX_SEQUENCE, PostgresRecipientRepository
from services.dispatcher.domain.states import DeliveryState
from services.dispatcher.handlers.maintenance import finish_erasures
from shared.contracts.events import SubscriberErased
from shared.contracts.ids import delivery_id, make_timed_id
from shared.contracts.message import Address, AddressKind
from tests.integration.dispatcher.factories import (
    build_batch_message,
    build_record,
    claim,
    states,
)

NOW = datetime.now(UTC)
BROADCAST = make_timed_id(NOW, b"broadcast")
SUBSCRIBER = make_timed_id(NOW, b"subscriber")
PHONE = Address(kind=AddressKind.PHONE, index=b"p" * 16, sealed=b"encrypted phone")
USER = Address(kind=AddressKind.USER, index=b"u" * 16, sealed=b"encrypted user")
ROW = """
    insert into dispatcher.delivery (id, source, subscriber, sequence, lane, state, address_kind, address_index,
        address_sealed, asked_at, expires_at, message_key, answer_by)
    values ($1, $2, $3, 1, 'bulk', $4, 'phone', $5, $6, now(), now(), $7,
        case when $4 = 'claimed'::dispatcher.delivery_state then now() end)
"""
BROADCAST_ROW = """
    insert into dispatcher.broadcast (id, notice, revision, topic, lane, template, content, published_at, expires_at)
    values ($1, 'n', 1, 't', 'bulk', 't', '{}', now(), now()) on conflict do nothing
"""


class FakeContacts:
    """Meta's contact book, which is away the first `times`."""

    def __init__(self, times: int = 0) -> None:
        self.times = times
        self.asked: list[Address] = []

    async def delete_contact(self, user: Address) -> bool:
        self.asked.append(user)
        return len(self.asked) > self.times


@pytest.fixture
async def recipients(ledger: PostgresLedger) -> PostgresRecipientRepository:
    return PostgresRecipientRepository(ledger.database)


async def deliver(owner: asyncpg.Connection, state: str, source: UUID = BROADCAST) -> None:
    await owner.fetch(BROADCAST_ROW, source)
    identifier = delivery_id(source, SUBSCRIBER)
    await owner.fetch(ROW, identifier, source, SUBSCRIBER, state, PHONE.index, PHONE.sealed, b"wamid hash")


ERASED = SubscriberErased(erasure=make_timed_id(NOW, b"e"), subscribers=(SUBSCRIBER,), addresses=(PHONE, USER), at=NOW)


async def test_an_erasure_forgets_what_was_sent_first_and_the_rest_when_it_has_left(
    recipients: PostgresRecipientRepository, owner: asyncpg.Connection
) -> None:
    waiting = make_timed_id(NOW, b"another")
    await deliver(owner, "read")
    await deliver(owner, "claimed", waiting)
    contacts = FakeContacts(1)
    for _ in range(2):
        await recipients.register_erasure(ERASED)

    await finish_erasures(recipients, contacts.delete_contact)
    addresses = "select state::text, address_index = '' and address_sealed = '' from dispatcher.delivery order by state"
    assert [tuple(row) for row in await owner.fetch(addresses)] == [("claimed", False), ("read", True)]
    await finish_erasures(recipients, contacts.delete_contact)
    assert len(contacts.asked) == 1  # not yet due again

    await owner.fetch("update dispatcher.delivery set state = 'accepted', answer_by = null where state = 'claimed'")
    await owner.fetch("update dispatcher.erasure set tried_at = '-infinity'")
    await finish_erasures(recipients, contacts.delete_contact)
    assert all(row[1] for row in await owner.fetch(addresses))
    assert contacts.asked == [USER, USER]

    assert len(await owner.fetch("select from dispatcher.erasure")) == 1, "something may yet be under way"
    await deliver(owner, "read", make_timed_id(NOW, b"late"))
    await owner.fetch("update dispatcher.erasure set tried_at = '-infinity', asked_at = now() - interval '61 s'")
    await finish_erasures(recipients, contacts.delete_contact)
    assert all(row[1] for row in await owner.fetch(addresses))
    assert await owner.fetch("select * from dispatcher.erasure") == []
    assert contacts.asked == [USER, USER]
    suppressions = await owner.fetch("select topic, sequence from dispatcher.suppression")
    assert [tuple(row) for row in suppressions] == [("", MAX_SEQUENCE)]


async def test_every_user_id_of_a_person_is_deleted_at_meta(
    recipients: PostgresRecipientRepository, owner: asyncpg.Connection
) -> None:
    """A sender has another one than the row that has the sender's number."""
    contacts = FakeContacts()
    other = Address(kind=AddressKind.USER, index=b"v" * 16, sealed=b"encrypted other user")
    for _ in range(2):
        await recipients.register_erasure(msgspec.structs.replace(ERASED, addresses=(USER, PHONE, other)))
    await finish_erasures(recipients, contacts.delete_contact)
    assert sorted(contacts.asked, key=lambda user: user.index) == [USER, other]
    await owner.fetch("update dispatcher.erasure set tried_at = '-infinity', asked_at = now() - interval '61 s'")
    await finish_erasures(recipients, contacts.delete_contact)
    assert (len(contacts.asked), await owner.fetch("select from dispatcher.erasure")) == (2, [])


async def test_what_went_to_an_address_of_before_is_erased_too(
    recipients: PostgresRecipientRepository, owner: asyncpg.Connection
) -> None:
    """A broadcast's delivery is found by the person, a reply by the address."""
    other = make_timed_id(NOW, b"somebody else")
    await deliver(owner, "read")
    await owner.fetch(ROW, delivery_id(BROADCAST, other), BROADCAST, other, "read", b"o" * 16, b"encrypted other", b"k")
    await owner.fetch(ROW, make_timed_id(NOW, b"reply"), BROADCAST, None, "read", USER.index, USER.sealed, b"key")
    await owner.fetch("insert into dispatcher.reached values ($1, now())", SUBSCRIBER)
    moved = SubscriberErased(erasure=make_timed_id(NOW, b"m"), subscribers=(SUBSCRIBER,), addresses=(USER,), at=NOW)
    await recipients.register_erasure(moved)
    (erasure,) = await recipients.claim_due_erasures()
    await recipients.erase(erasure)
    addresses = await owner.fetch("select subscriber, address_index from dispatcher.delivery where address_index <> ''")
    assert [tuple(row) for row in addresses] == [(other, b"o" * 16)]
    assert await owner.fetch("select * from dispatcher.reached") == []


async def test_an_erasure_waits_for_no_older_ones_that_cannot_end(
    recipients: PostgresRecipientRepository, owner: asyncpg.Connection
) -> None:
    contacts = FakeContacts(1_000)
    for number in range(40):
        stranger = make_timed_id(NOW, b"stranger", bytes([number]))
        await recipients.register_erasure(SubscriberErased(erasure=stranger, subscribers=(), addresses=(USER,), at=NOW))
    await deliver(owner, "read")
    await recipients.register_erasure(ERASED)
    for _ in range(6):
        await finish_erasures(recipients, contacts.delete_contact)
        await owner.fetch("update dispatcher.erasure set tried_at = tried_at - interval '2 s'")
    assert await owner.fetch("select from dispatcher.delivery where address_index <> ''") == []


async def test_an_erasure_needs_no_resume_and_no_outcome(
    recipients: PostgresRecipientRepository, ledger: PostgresLedger, owner: asyncpg.Connection
) -> None:
    """Of a paused broadcast, and one whose outcome is unknown; what waits for somebody else stays."""
    other = make_timed_id(NOW, b"somebody else")
    sent, paused = (build_batch_message([SUBSCRIBER, other]) for _ in range(2))
    await ledger.record([build_record(one, DeliveryState.UNKNOWN) for one in await claim(ledger, sent)])
    await ledger.register(paused, {})
    await ledger.pause_broadcast(paused.broadcast, "a test")
    assert await claim(ledger, paused) == []
    await recipients.register_erasure(ERASED)
    for _ in range(2):
        await owner.fetch("update dispatcher.erasure set tried_at = '-infinity', asked_at = now() - interval '61 s'")
        await finish_erasures(recipients, FakeContacts().delete_contact)
    assert await states(ledger, paused.broadcast) == {"suppressed": 1, "waiting": 1}
    assert await states(ledger, sent.broadcast) == {"unknown": 2}
    addresses = await owner.fetch("select subscriber from dispatcher.delivery where address_sealed <> ''")
    assert [row["subscriber"] for row in addresses] == [other, other]
    assert await owner.fetch("select from dispatcher.erasure") == []


async def test_an_erasure_waits_for_a_reply_without_an_outcome_only_until_that_expires(
    recipients: PostgresRecipientRepository, owner: asyncpg.Connection
) -> None:
    reply = make_timed_id(NOW, b"reply")
    await owner.fetch(ROW, reply, BROADCAST, None, "claimed", PHONE.index, PHONE.sealed, None)
    unknown = "state = 'unknown', answer_by = null, unknown_at = now(), expires_at = now() + interval '1 hour'"
    await owner.fetch(f"update dispatcher.delivery set {unknown}")  # noqa: S608 - from above
    await recipients.register_erasure(ERASED)
    await finish_erasures(recipients, FakeContacts().delete_contact)
    addresses = "select from dispatcher.delivery where address_sealed <> ''"
    assert len(await owner.fetch(addresses)) == 1
    await owner.fetch("update dispatcher.delivery set expires_at = now() - interval '1 s'")
    await owner.fetch("update dispatcher.erasure set tried_at = '-infinity'")
    await finish_erasures(recipients, FakeContacts().delete_contact)
    assert await owner.fetch(addresses) == []

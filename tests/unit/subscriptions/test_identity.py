from dataclasses import replace
from functools import partial

import msgspec
import pytest

from services.subscriptions.domain.merging import resolve_person
from services.subscriptions.domain.subscriber import Subscriber, select_address
from shared.contracts.message import Addresses
from tests.factories.citizens import (
    build_both,
    build_context,
    build_message,
    build_phone,
    build_user,
    understand_message,
)


def say(text: str, sender: Addresses, seconds: float = 0) -> Subscriber:
    subscriber, _ = understand_message(None, build_message(text, sender=sender, seconds=seconds), build_context())
    assert subscriber is not None
    return subscriber


subscribed, unsubscribed = partial(say, "Start"), partial(say, "Stop")


def resolve(by_user: Subscriber | None, by_phone: Subscriber | None, sender: Addresses) -> Subscriber:
    subscriber = resolve_person(by_user, by_phone, sender).subscriber
    assert subscriber is not None
    return subscriber


def test_the_known_person_is_unchanged_although_each_webhook_encrypts_anew() -> None:
    known = subscribed(build_both(1))
    seen = build_both(1)
    assert seen.phone is not None
    encrypted_again = Addresses(phone=msgspec.structs.replace(seen.phone, sealed=b"encrypted again"), user=seen.user)
    assert resolve_person(known, known, encrypted_again).subscriber == known


@pytest.mark.parametrize("known", [build_phone(1), build_user(1)])
def test_the_other_address_is_attached_when_it_is_seen(known: Addresses) -> None:
    subscriber = subscribed(known)
    by_user, by_phone = (subscriber, None) if known.user else (None, subscriber)
    person = resolve_person(by_user, by_phone, build_both(1))
    assert person.subscriber is not None
    assert (person.subscriber.addresses, person.absorbed) == (build_both(1), ())


def test_a_new_user_id_replaces_the_old_one_of_the_same_number() -> None:
    subscriber = subscribed(build_both(1))
    sender = Addresses(phone=build_both(1).phone, user=build_both(2).user)
    person = resolve(None, subscriber, sender)
    assert person.addresses == sender


def test_an_unsubscribed_person_gets_no_encrypted_address_attached() -> None:
    person = resolve(None, unsubscribed(build_phone(1)), build_both(1))
    assert person.addresses.user is not None
    assert select_address(person.addresses) is None


def test_whoever_is_taken_over_with_a_closed_address_is_reached_at_the_one_just_seen() -> None:
    closed = unsubscribed(build_phone(1)).addresses.phone
    returned = replace(subscribed(build_user(2), seconds=9), addresses=Addresses(phone=closed, user=build_user(2).user))
    person = resolve(unsubscribed(build_user(1)), returned, build_both(1))
    assert person.subscribed
    assert select_address(person.addresses) == build_both(1).phone

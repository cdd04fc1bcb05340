"""Identifiers look like Meta's and can reach nobody."""

import base64

from simulator.citizens import Citizens, PhonesExhaustedError, Sharing
from simulator.identifiers import MAX_PHONES, PHONE, USER_ID, Serials, make_phone_number, make_user_id, make_wamid


def test_a_wamid_contains_the_persons_number_as_metas_do() -> None:
    given = make_wamid("491760406900007", "AB12", outgoing=True)
    assert given.startswith("wamid.HBgP")
    assert b"491760406900007" in base64.b64decode(given.removeprefix("wamid."))


def test_numbers_are_longer_than_any_german_number_and_valid_for_the_graph_api() -> None:
    for index in (0, MAX_PHONES - 1):
        assert len(make_phone_number(index)) == 15
        assert PHONE.fullmatch(make_phone_number(index))
        assert USER_ID.fullmatch(make_user_id(index))


def test_serials_differ_within_a_process_and_between_processes() -> None:
    one, other = Serials(), Serials()
    drawn = [serials.issue() for serials in (one, other) for _ in range(1000)]
    assert len(set(drawn)) == 2000


def test_a_new_number_replaces_the_old_one() -> None:
    citizens = Citizens()
    (citizen,) = citizens.add([Sharing.PHONE])
    phone, identifier = citizen.phone, citizen.user_id
    citizens.assign_new_number(citizen)
    assert citizens.find_by_phone(phone) is None
    assert citizens.find_by_user_id(identifier) is None
    assert citizens.find_by_phone(citizen.phone) is citizen
    assert citizens.find_by_user_id(citizen.user_id) is citizen


def test_citizens_are_added_all_or_none() -> None:
    citizens = Citizens()
    citizens.add([Sharing.PHONE] * (MAX_PHONES - 1))
    try:
        citizens.add([Sharing.PHONE] * 2)
    except PhonesExhaustedError:
        refused = True
    assert refused
    assert len(citizens) == MAX_PHONES - 1

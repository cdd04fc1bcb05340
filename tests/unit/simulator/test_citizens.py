"""Citizens: identifiers that look like Meta's and can reach nobody, and phones that are there after a restart."""

import base64
from itertools import islice
from pathlib import Path

import pytest

from simulator.access import ControlError
from simulator.citizens import Citizen, Citizens, Sharing, load_citizens
from simulator.identifiers import (
    MAX_PHONES,
    PHONE,
    USER_ID,
    generate_serials,
    make_phone_number,
    make_user_id,
    make_wamid,
)
from simulator.settings import SettingsError


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
    drawn = [*islice(generate_serials(), 1000), *islice(generate_serials(), 1000)]
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
    with pytest.raises(ControlError):
        citizens.add([Sharing.PHONE] * 2)
    assert len(citizens) == MAX_PHONES - 1


def test_phones_are_there_again_with_their_numbers(tmp_path: Path) -> None:
    file = tmp_path / "phones.json"
    citizens = load_citizens(file, 2)
    (third,) = citizens.add([Sharing.USER_ID_ONLY])
    citizens.assign_new_number(third)
    again = load_citizens(file, 3)
    assert [identity(one) for one in again] == [identity(one) for one in citizens]
    assert list(again.list_identities()) == list(citizens.list_identities())
    assert again.find_by_phone(third.phone) is again.find(3)
    (fourth,) = again.add([Sharing.PHONE])
    assert fourth.phone not in {one.phone for one in citizens}


def identity(citizen: Citizen) -> tuple[int, str, str, Sharing]:
    return citizen.id, citizen.phone, citizen.user_id, citizen.sharing


def test_without_a_file_there_are_the_first_ones_and_nothing_is_written(tmp_path: Path) -> None:
    assert [len(load_citizens(None, least)) for least in (0, 3)] == [0, 3]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "{}x", '{"used": "many"}'])
def test_a_file_that_holds_no_phones_is_told_and_kept(tmp_path: Path, text: str) -> None:
    file = tmp_path / "phones.json"
    file.write_text(text)
    with pytest.raises(SettingsError):
        load_citizens(file, 3)
    assert file.read_text() == text

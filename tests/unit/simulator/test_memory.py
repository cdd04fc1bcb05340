"""Phones are there again after a restart."""

from pathlib import Path

import pytest

from simulator.citizens import Citizen, PhonesFileError, Sharing, load_citizens


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
    with pytest.raises(PhonesFileError):
        load_citizens(file, 3)
    assert file.read_text() == text

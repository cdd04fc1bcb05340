"""Personal data is found in any encoding, and nothing else is reported."""

import base64
import json
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.identifiers import make_phone_number, make_user_id, make_wamid
from tests.faults.evaluation import evaluate_run
from tests.faults.leaks.pii_patterns import PiiKind, PiiValues, build_pattern_groups
from tests.faults.leaks.scanner import Leak, PatternScanner, exclude_kinds
from tests.faults.violations import Figure
from tests.unit.faults.factories import EvidenceBuilder

PHONE, USER, MESSAGE = make_phone_number(7), make_user_id(7), make_wamid(make_phone_number(7), "AB12", outgoing=True)
NAME, TEXT = "Telefon 7", "vorgangqxä"
SECRETS = PiiValues(
    phones=tuple(make_phone_number(index) for index in range(20)),
    user_ids=tuple(make_user_id(index) for index in range(20)),
    message_ids=(MESSAGE, make_wamid(make_user_id(3), "AB13", outgoing=False)),
    names=(NAME, "Telefon 8"),
    texts=(TEXT, "vorgangzz"),
)
VALUES = {
    PiiKind.PHONE: PHONE,
    PiiKind.USER_ID: USER,
    PiiKind.MESSAGE_ID: MESSAGE,
    PiiKind.NAME: NAME,
    PiiKind.TEXT: TEXT,
}
GROUPS = build_pattern_groups(SECRETS)

Writing = Callable[[str], bytes]


def bytes_in_hex(value: str) -> bytes:
    return value.encode().hex().encode()


WRITINGS: dict[str, Writing] = {
    "as it is": str.encode,
    "inside": lambda value: f"to={value}&x".encode(),
    "hex": bytes_in_hex,
    "HEX": lambda value: bytes_in_hex(value).upper(),
    "base64": lambda value: base64.b64encode(value.encode()),
    "base64 after one": lambda value: base64.b64encode(f"x{value}y".encode()),
    "base64 after two": lambda value: base64.b64encode(f"xx{value}yy".encode()),
    "base64 for addresses": lambda value: base64.urlsafe_b64encode(f"??{value}??".encode()),
    "URL-encoded": lambda value: quote(value, safe="").encode(),
    "JSON": lambda value: json.dumps({"a": value}).encode(),
}
OF_NUMBERS: dict[str, Writing] = {
    "with a plus": lambda value: f"+{value}".encode(),
    "with an encoded plus": lambda value: f"%2B{value}".encode(),
    "national": lambda value: f"0{value.removeprefix('49')}".encode(),
    "as a number": lambda value: int(value).to_bytes(8, "big"),
}


def found(data: bytes) -> set[PiiKind]:
    sweep = PatternScanner(GROUPS)
    sweep.feed(data)
    return {pattern.kind for pattern in sweep.found}


@pytest.mark.parametrize("writing", WRITINGS)
@pytest.mark.parametrize("kind", VALUES)
def test_every_kind_is_found_in_every_form(kind: PiiKind, writing: str) -> None:
    assert kind in found(WRITINGS[writing](VALUES[kind]))


@pytest.mark.parametrize("writing", OF_NUMBERS)
def test_a_number_is_found_with_and_without_what_stands_before_it(writing: str) -> None:
    assert found(OF_NUMBERS[writing](PHONE)) == {PiiKind.PHONE}


@pytest.mark.parametrize(
    "harmless",
    [
        b"",
        make_phone_number(20).encode(),
        make_user_id(30).encode(),
        b"Telefon: 04791",
        b"vorgang",
        b"2026-11-25T10:00:00Z",
    ],
)
def test_others_numbers_and_words_are_no_leaks(harmless: bytes) -> None:
    assert found(harmless) == set()


@given(before=st.binary(max_size=300), after=st.binary(max_size=300), data=st.data())
def test_what_lies_across_the_border_of_two_pieces_is_found_once(
    before: bytes, after: bytes, data: st.DataObject
) -> None:
    whole = before + b"\n" + PHONE.encode() + after
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=4)))
    sweep = PatternScanner(GROUPS)
    for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        sweep.feed(whole[start:end])
    (leak,) = sweep.list_leaks("a place")
    assert leak == Leak("a place", "phone number", "plain", 1)
    assert sweep.first_line == before.count(b"\n") + 2


def test_what_may_be_somewhere_is_not_looked_for_there() -> None:
    sweep = PatternScanner(exclude_kinds(GROUPS, {PiiKind.TEXT}))
    sweep.feed(f"{TEXT} {NAME}".encode())
    assert {pattern.kind for pattern in sweep.found} == {PiiKind.NAME}


def test_a_leak_makes_the_run_fail_and_tells_where_but_not_what() -> None:
    scene = EvidenceBuilder(leaks=[Leak("table dispatcher.delivery", "phone number", "base64", 3, "column content")])
    verdict = evaluate_run(scene.build())
    assert verdict.count(Figure.LEAKS) == 3
    assert [one.what for one in verdict.findings] == [
        "phone number as base64 in table dispatcher.delivery, column content"
    ]

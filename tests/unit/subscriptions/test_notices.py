from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.subscriptions.domain.notices import LONGEST_CONTENT, notice_problems
from shared.contracts.events import Problem
from tests.unit.subscriptions.material import COUNTY, NOON

VALID: dict[str, Any] = {
    "notice": "L149-2026-11",
    "topic": "strassensperrungen",
    "headline": "L 149: Vollsperrung",
    "text": "Bis 18 Uhr.\nEine Umleitung ist ausgeschildert.",
    "expires_at": "2026-11-20T18:00:00+01:00",
    "revision": 1,
    "link": "https://www.landkreis-osterholz.de/sperrungen",
    "urgent": True,
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


def problems(**changes: object) -> dict[str, str]:
    found = notice_problems(VALID | changes, COUNTY, NOON)
    return {problem.field: problem.problem for problem in found}


def test_a_valid_notice_has_no_problems() -> None:
    assert notice_problems(VALID, COUNTY, NOON) == ()


@pytest.mark.parametrize("optional", ["revision", "link", "urgent"])
def test_optional_fields_may_be_absent(optional: str) -> None:
    data = {field: value for field, value in VALID.items() if field != optional}
    assert notice_problems(data, COUNTY, NOON) == ()


def test_unknown_fields_are_ignored() -> None:
    assert problems(colour="red") == {}


@pytest.mark.parametrize("data", [None, 5, "text", [VALID]])
def test_data_has_to_be_an_object(data: object) -> None:
    assert notice_problems(data, COUNTY, NOON) == (Problem(field="data", problem="must be an object"),)


def test_every_missing_field_is_named() -> None:
    found = notice_problems({}, COUNTY, NOON)
    assert {problem.field for problem in found} == {"notice", "topic", "headline", "text", "expires_at"}
    assert {problem.problem for problem in found} == {"is missing"}


def test_every_wrong_field_is_named_at_once() -> None:
    found = problems(
        notice="no spaces please",
        topic="wetter",
        headline="a" * 121,
        text=5,
        expires_at="2026-11-20T11:00:00Z",
        revision=0,
        link="http://www.landkreis-osterholz.de",
        urgent="yes",
    )
    assert set(found) == set(VALID)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("expires_at", "2026-11-20T12:00:00Z"),
        ("expires_at", "2026-11-20T18:00:00"),
        ("expires_at", "tomorrow"),
        ("expires_at", "2030-01-01T00:00:00Z"),
        ("headline", "two\nlines"),
        ("headline", "   "),
        ("headline", "evil \u202etxet"),
        ("text", "bell \x07"),
        ("text", "\n\t"),
        ("text", "a" * 801),
        ("link", "https://bit.ly/2x"),
        ("link", "https://landkreis-osterholz.de.example.org/"),
        ("link", "https://user@www.landkreis-osterholz.de/"),
        ("link", "https://www.landkreis-osterholz.de:8443/"),
        ("link", "https://[broken"),
        ("revision", True),
    ],
)
def test_a_wrong_value_is_named_once(field: str, value: object) -> None:
    found = notice_problems(VALID | {field: value}, COUNTY, NOON)
    assert [problem.field for problem in found] == [field]


def test_headline_text_and_link_fit_into_one_template() -> None:
    link = "https://www.landkreis-osterholz.de/" + "a" * (LONGEST_CONTENT - 35 - 100 - 700)
    assert problems(headline="a" * 100, text="b" * 700, link=link) == {}
    assert set(problems(headline="a" * 101, text="b" * 700, link=link)) == {"text"}


def test_no_value_is_repeated_in_a_problem() -> None:
    secret = "geheim-4917604069001"
    found = problems(**{field: secret for field in VALID if field not in ("notice", "headline", "text")})
    assert secret not in str(found)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"spread_minutes": 0}, "spread_minutes"),
        ({"spread_minutes": 1441}, "spread_minutes"),
        ({"spread_minutes": 1.5}, "spread_minutes"),
        ({"spread_minutes": 60, "urgent": True}, "spread_minutes"),
        ({"spread_minutes": 60, "follows": "K8"}, "spread_minutes"),
        ({"spread_minutes": 301}, "spread_minutes"),
        ({"follows": "L149-2026-11"}, "follows"),
        ({"follows": "no spaces please"}, "follows"),
    ],
)
def test_a_spread_and_what_it_follows_have_to_fit(changes: dict[str, Any], field: str) -> None:
    assert set(problems(**{"urgent": False, **changes})) == {field}


def test_a_spread_may_last_until_the_expiry_and_an_urgent_notice_may_follow_another() -> None:
    assert problems(urgent=False, spread_minutes=300) == {}
    assert problems(follows="K8") == {}


def test_an_expiry_within_a_year_is_accepted() -> None:
    assert problems(expires_at=(NOON + timedelta(days=365)).isoformat()) == {}


@given(JSON | st.fixed_dictionaries({}, optional=dict.fromkeys(VALID, JSON)))
def test_any_json_is_judged_and_a_notice_without_problems_can_be_built(data: object) -> None:
    assert notice_problems(data, COUNTY, NOON) != ()


def test_a_municipality_is_one_of_the_county_and_for_local_topics() -> None:
    assert problems(municipality="Worpswede") == {}
    assert set(problems(municipality="Bremen")) == {"municipality"}
    assert set(problems(municipality="Worpswede", topic="stellen")) == {"municipality"}

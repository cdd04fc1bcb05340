"""The editor's form and its tables: what goes in comes out, whatever it is."""

import csv
import io
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from multidict import MultiDict

from services.newsroom.domain.drafts import DraftContent, DraftRefused
from services.newsroom.domain.feedback import render_csv
from services.newsroom.http.draft_forms import FormRefused, build_values, parse_content, parse_version

MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2030, 1, 1)).map(  # noqa: DTZ001 (made aware on the next line)
    lambda moment: moment.replace(second=0, microsecond=0, tzinfo=UTC)
)


@given(
    st.builds(
        DraftContent,
        topic=st.just("baustellen"),
        headline=st.text("abc äöü", max_size=20).map(lambda text: " ".join(text.split())),
        urgent=st.booleans(),
        municipalities=st.lists(st.sampled_from(["Grasberg", "Worpswede"]), unique=True).map(tuple),
        expires_at=st.none() | MOMENTS,
    )
)
def test_a_form_that_is_sent_back_unchanged_changes_nothing(content: DraftContent) -> None:
    form: MultiDict[str] = MultiDict({**build_values(content), "fields": "1"})
    form.extend([("municipalities", each) for each in content.municipalities])
    form.extend([("urgent", "1")] if content.urgent else [])
    read = parse_content(form, DraftContent())
    if content.expires_at is not None and build_values(read) == build_values(content):
        # In the hour that the clock repeats, a browser's field does not say which of both is meant.
        assert read.expires_at is not None
        assert abs((read.expires_at - content.expires_at).total_seconds()) in (0, 3600)
        content, read = (DraftContent(headline=each.headline, urgent=each.urgent) for each in (content, read))
    assert read == content


def test_a_moment_of_the_hour_that_the_clocks_repeat_is_the_same_when_it_is_sent_again() -> None:
    """Else each save would make a version, and void the approval."""
    first, second = (parse_content(MultiDict(scheduled_at="2026-10-25T02:30"), DraftContent()) for _ in range(2))
    stored = msgspec.json.decode(msgspec.json.encode(first), type=DraftContent)
    assert stored == second
    assert build_values(stored)["scheduled_at"] == "2026-10-25T02:30"


def test_an_hour_that_the_clocks_leave_out_is_refused_at_its_field() -> None:
    with pytest.raises(FormRefused) as refused:
        parse_content(MultiDict(scheduled_at="2027-03-28T02:30", expires_at="2027-03-28T03:00"), DraftContent())
    assert list(refused.value.errors) == ["scheduled_at"]
    assert "gibt es an diesem Tag nicht" in refused.value.errors["scheduled_at"]


def test_line_breaks_of_the_text_area_become_spaces() -> None:
    assert parse_content(MultiDict(text=" Eins.\r\n\r\n Zwei. "), DraftContent()).text == "Eins. Zwei."


def test_a_part_of_the_form_leaves_the_rest() -> None:
    old = DraftContent(topic="baustellen", urgent=True, municipalities=("Grasberg",))
    assert parse_content(MultiDict(headline="Neu"), old) == DraftContent(
        topic="baustellen", urgent=True, municipalities=("Grasberg",), headline="Neu"
    )


@pytest.mark.parametrize(
    "form",
    [
        {"expires_at": "morgen"},
        {"expires_at": "0001-01-01T00:00"},
        {"scheduled_at": "2101-01-01T00:00"},
        {"headline": "x" * 301},
        {"text": "x" * 2001},
    ],
)
def test_what_cannot_be_stored_is_refused(form: dict[str, str]) -> None:
    with pytest.raises(DraftRefused):
        parse_content(MultiDict(form), DraftContent())


@pytest.mark.parametrize(("text", "version"), [("3", 3), ("", 0), ("-1", 0), ("²", 0), ("9" * 12, 0), ("x", 0)])
def test_a_version_that_is_none_is_that_of_no_draft(text: str, version: int) -> None:
    assert parse_version(MultiDict(version=text)) == version


@given(st.lists(st.lists(st.text(st.characters(codec="utf-8"), max_size=20), min_size=2, max_size=2)))
@example([["\n=1+1", "＝1+1"]])
def test_no_cell_is_a_formula_and_none_is_lost(rows: list[list[str]]) -> None:
    text = render_csv(("A", "B"), rows).decode("utf-8-sig")
    read = list(csv.reader(io.StringIO(text, newline=""), delimiter=";"))[1:]
    assert [[cell.removeprefix("'") for cell in row] for row in read] == [
        [cell.removeprefix("'") for cell in row] for row in rows
    ]
    assert not [cell for row in read for cell in row if cell.startswith(tuple("=+-@\t\r\n＝＋－＠"))]

"""Bodies that Meta accepts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.dispatcher.domain.content import (
    ContentError,
    build_recipient_fields,
    build_reply_body,
    build_template_body,
    clean_parameter,
)
from shared.contracts.dispatch import ReplyButton, Template, TemplateParameter
from shared.contracts.message import AddressKind


@given(st.text(max_size=300))
def test_a_cleaned_parameter_has_nothing_that_meta_refuses(text: str) -> None:
    cleaned = clean_parameter(text)
    assert not set(cleaned) & set("\n\r\t\x0b\x0c\u2028\u2029\x85")
    assert "     " not in cleaned
    assert clean_parameter(cleaned) == cleaned


def test_words_are_kept_apart_where_line_breaks_were() -> None:
    assert clean_parameter("Vollsperrung\nL 149\t\tab  morgen ") == "Vollsperrung L 149 ab morgen"


def test_a_template_has_named_parameters_and_payloads_in_order() -> None:
    parameters = (TemplateParameter(name="headline", text="A"), TemplateParameter(name="text", text="B\nC"))
    body = build_template_body(Template(name="t", language="de", parameters=parameters, quick_replies=("stop",)))
    assert body["template"]["components"] == [
        {
            "type": "body",
            "parameters": [
                {"type": "text", "parameter_name": "headline", "text": "A"},
                {"type": "text", "parameter_name": "text", "text": "B C"},
            ],
        },
        {
            "type": "button",
            "sub_type": "quick_reply",
            "index": "0",
            "parameters": [{"type": "payload", "payload": "stop"}],
        },
    ]


@pytest.mark.parametrize("text", ["", " \n ", "x" * 901])
def test_empty_and_overlong_parameters_are_refused_here(text: str) -> None:
    with pytest.raises(ContentError):
        build_template_body(Template(name="t", language="de", parameters=(TemplateParameter(name="a", text=text),)))


@pytest.mark.parametrize(
    ("text", "titles"), [("", []), ("x" * 4097, []), ("x" * 1025, ["Ja"]), ("x", ["y" * 21]), ("x", ["a"] * 4)]
)
def test_replies_beyond_whatsapps_limits_are_refused_here(text: str, titles: list[str]) -> None:
    with pytest.raises(ContentError):
        build_reply_body(text, [ReplyButton(id=title, title=title) for title in titles])


def test_numbers_get_a_plus_and_user_ids_go_to_recipient() -> None:
    assert build_recipient_fields(AddressKind.PHONE, "491760406900001") == {"to": "+491760406900001"}
    assert build_recipient_fields(AddressKind.USER, "DE.4010") == {"recipient": "DE.4010"}


def test_a_picture_is_the_header_and_comes_first() -> None:
    picture = "https://www.landkreis-osterholz.de/k9.jpg"
    parameters = (TemplateParameter(name="headline", text="A"),)
    body = build_template_body(Template(name="t", language="de", parameters=parameters, picture=picture))
    assert body["template"]["components"][0] == {
        "type": "header",
        "parameters": [{"type": "image", "image": {"link": picture}}],
    }
    assert [component["type"] for component in body["template"]["components"]] == ["header", "body"]

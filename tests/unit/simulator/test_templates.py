"""Templates: what Meta would not have approved is refused at the start, and filling obeys Meta's rules."""

from pathlib import Path

import msgspec
import pytest

from simulator.graph.errors import GraphError
from simulator.graph.requests import TemplateChoice
from simulator.graph.template import MessageTemplate
from simulator.graph.templates import TemplateFileError, Templates, check_definition

DEPLOYED = Path(__file__).parents[3] / "deploy" / "config" / "templates.json"


def template(**changes: object) -> MessageTemplate:
    definition: dict[str, object] = {
        "name": "meldung_v1",
        "language": "de",
        "category": "UTILITY",
        "parameter_format": "named",
        "components": [{"type": "BODY", "text": "Meldung: {{headline}} und {{text}}."}],
    }
    return msgspec.convert(definition | changes, MessageTemplate)


def fill(chosen: MessageTemplate, components: list[object]) -> str:
    choice = msgspec.convert({"name": chosen.name, "components": components}, TemplateChoice)
    return chosen.fill(choice.components).text


def named(**values: str) -> list[object]:
    parameters = [{"type": "text", "parameter_name": name, "text": text} for name, text in values.items()]
    return [{"type": "body", "parameters": parameters}]


def positional(*values: str) -> list[object]:
    return [{"type": "body", "parameters": [{"type": "text", "text": text} for text in values]}]


def test_the_deployed_templates_would_be_approved_and_all_have_the_same_shape() -> None:
    deployed = Templates.load(DEPLOYED).all
    topics = ["veranstaltungen", "stellen", "baustellen", "strassensperrungen"]
    kinds = ("v1", "bild_v1")
    assert [one.name for one in deployed] == [f"kreisfunk_{topic}_{kind}" for kind in kinds for topic in topics]
    for one in deployed:
        *header, body, footer, buttons = one.components
        assert [part.format for part in header] == (["IMAGE"] if "_bild_" in one.name else [])
        assert (one.language, one.named) == ("de", True)
        assert body.variables == ["headline", "text"]
        assert footer.text == "Abmelden: Stop"
        assert [(button.type, button.text) for button in buttons.buttons] == [
            ("QUICK_REPLY", label) for label in ("Stop", "Hilfreich", "Nicht hilfreich")
        ]


def test_named_parameters_may_come_in_any_order() -> None:
    assert fill(template(), named(text="B", headline="A")) == "Meldung: A und B."


def test_positional_parameters_are_filled_by_position() -> None:
    chosen = template(
        parameter_format="positional", components=[{"type": "BODY", "text": "Von {{1}} bis {{2}}, ja {{1}}."}]
    )
    assert fill(chosen, positional("A", "B")) == "Von A bis B, ja A."


def test_a_value_that_looks_like_a_variable_is_not_filled_again() -> None:
    assert fill(template(), named(headline="{{text}}", text="B")) == "Meldung: {{text}} und B."


@pytest.mark.parametrize(
    ("components", "code"),
    [
        ([], 132000),
        (named(headline="A"), 132000),
        (named(headline="A", other="B"), 132012),
        (positional("A", "B"), 132012),
        (named(headline="", text="B"), 131008),
        (named(headline="A\nB", text="B"), 132018),
        (named(headline="A\tB", text="B"), 132018),
        (named(headline="A     B", text="B"), 132018),
        (named(headline="A" * 1020, text="B"), 132005),
        ([*named(headline="A", text="B"), {"type": "button", "sub_type": "quick_reply", "index": "0"}], 132012),
    ],
)
def test_wrong_parameters_get_metas_code(components: list[object], code: int) -> None:
    with pytest.raises(GraphError) as refused:
        fill(template(), components)
    assert refused.value.code == code


def test_four_spaces_are_allowed() -> None:
    assert fill(template(), named(headline="A    B", text="C")) == "Meldung: A    B und C."


def test_the_payload_of_a_quick_reply_is_its_text_unless_given() -> None:
    button = {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "Stop"}]}
    chosen = template(components=[{"type": "BODY", "text": "Hallo"}, button])
    payload = {
        "type": "button",
        "sub_type": "quick_reply",
        "index": 0,
        "parameters": [{"type": "payload", "payload": "stop"}],
    }
    choice = msgspec.convert({"name": "x", "components": [payload]}, TemplateChoice)
    assert [one.id for one in chosen.fill([]).buttons] == ["Stop"]
    assert [one.id for one in chosen.fill(choice.components).buttons] == ["stop"]


def test_a_text_header_takes_its_own_parameter() -> None:
    chosen = template(
        components=[{"type": "HEADER", "format": "TEXT", "text": "Ort: {{ort}}"}, {"type": "BODY", "text": "Hallo"}]
    )
    header = {"type": "header", "parameters": [{"type": "text", "parameter_name": "ort", "text": "Worpswede"}]}
    choice = msgspec.convert({"name": "x", "components": [header]}, TemplateChoice)
    assert chosen.fill(choice.components).header == "Ort: Worpswede"


@pytest.mark.parametrize(("link", "code"), [("https://example.org/a.png", None), ("file:///a", 131009), (None, 131008)])
def test_a_picture_is_named_by_its_web_address(link: str | None, code: int | None) -> None:
    chosen = template(components=[{"type": "HEADER", "format": "IMAGE"}, {"type": "BODY", "text": "Hallo"}])
    header = {"type": "header", "parameters": [{"type": "image", "image": {"link": link}}]}
    choice = msgspec.convert({"name": "x", "components": [header]}, TemplateChoice)
    if code is None:
        assert chosen.fill(choice.components).header == "[image]"
        return
    with pytest.raises(GraphError) as refused:
        chosen.fill(choice.components)
    assert refused.value.code == code


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "Meldung"},
        {"name": "m" * 513},
        {"components": []},
        {"components": [{"type": "BODY", "text": "x" * 1025}]},
        {"components": [{"type": "BODY", "text": "x"}, {"type": "FOOTER", "text": "x" * 61}]},
        {"components": [{"type": "BODY", "text": "x"}, {"type": "FOOTER", "text": "{{1}}"}]},
        {"components": [{"type": "BODY", "text": "x"}, {"type": "HEADER", "text": "{{1}} {{2}}"}]},
        {"components": [{"type": "BODY", "text": "x"}, {"type": "HEADER", "text": "x" * 61}]},
        {
            "components": [
                {"type": "BODY", "text": "x"},
                {"type": "BUTTONS", "buttons": [{"type": "URL", "text": "x" * 26}]},
            ]
        },
        {
            "components": [
                {"type": "BODY", "text": "x"},
                {"type": "BUTTONS", "buttons": [{"type": "URL", "text": "x"}] * 11},
            ]
        },
    ],
)
def test_what_meta_would_not_approve_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(TemplateFileError):
        check_definition(template(**changes))


@pytest.mark.parametrize("content", ["", "{}", '[{"name":"x"}]', '[{"name":1}]'])
def test_an_unusable_file_says_why(tmp_path: Path, content: str) -> None:
    file = tmp_path / "templates.json"
    file.write_text(content)
    with pytest.raises(TemplateFileError, match=r"\w"):
        Templates.load(file)

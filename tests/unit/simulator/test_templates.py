"""Templates: what Meta would not have approved is refused at the start, and filling obeys Meta's rules."""

from pathlib import Path

import msgspec
import pytest

from simulator.citizens import PhoneContent
from simulator.graph.errors import GraphError
from simulator.graph.requests import ComponentParameters
from simulator.graph.template import MessageTemplate
from simulator.graph.templates import Templates, check_definition
from simulator.settings import SettingsError


def template(**changes: object) -> MessageTemplate:
    definition: dict[str, object] = {
        "name": "meldung_v1",
        "language": "de",
        "category": "UTILITY",
        "parameter_format": "named",
        "components": [{"type": "BODY", "text": "Meldung: {{headline}} und {{text}}."}],
    }
    return msgspec.convert(definition | changes, MessageTemplate)


def fill(chosen: MessageTemplate, components: list[object]) -> PhoneContent:
    return chosen.fill(msgspec.convert(components, list[ComponentParameters]))


def named(**values: str) -> list[object]:
    parameters = [{"type": "text", "parameter_name": name, "text": text} for name, text in values.items()]
    return [{"type": "body", "parameters": parameters}]


def positional(*values: str) -> list[object]:
    return [{"type": "body", "parameters": [{"type": "text", "text": text} for text in values]}]


POSITIONAL = template(
    parameter_format="positional", components=[{"type": "BODY", "text": "Von {{1}} bis {{2}}, ja {{1}}."}]
)


@pytest.mark.parametrize(
    ("chosen", "given", "text"),
    [
        (template(), named(text="B", headline="A"), "Meldung: A und B."),
        (template(), named(headline="{{text}}", text="B"), "Meldung: {{text}} und B."),
        (template(), named(headline="A    B", text="C"), "Meldung: A    B und C."),
        (POSITIONAL, positional("A", "B"), "Von A bis B, ja A."),
    ],
    ids=["in any order", "once only", "four spaces", "by position"],
)
def test_parameters_are_filled_in(chosen: MessageTemplate, given: list[object], text: str) -> None:
    assert fill(chosen, given).text == text


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


def test_the_payload_of_a_quick_reply_is_its_text_unless_given() -> None:
    button = {"type": "BUTTONS", "buttons": [{"type": "QUICK_REPLY", "text": "Stop"}]}
    chosen = template(components=[{"type": "BODY", "text": "Hallo"}, button])
    payload = {
        "type": "button",
        "sub_type": "quick_reply",
        "index": 0,
        "parameters": [{"type": "payload", "payload": "stop"}],
    }
    assert [one.id for one in fill(chosen, []).buttons] == ["Stop"]
    assert [one.id for one in fill(chosen, [payload]).buttons] == ["stop"]


def test_a_text_header_takes_its_own_parameter() -> None:
    chosen = template(
        components=[{"type": "HEADER", "format": "TEXT", "text": "Ort: {{ort}}"}, {"type": "BODY", "text": "Hallo"}]
    )
    header = {"type": "header", "parameters": [{"type": "text", "parameter_name": "ort", "text": "Worpswede"}]}
    assert fill(chosen, [header]).header == "Ort: Worpswede"


@pytest.mark.parametrize(("link", "code"), [("https://example.org/a.png", None), ("file:///a", 131009), (None, 131008)])
def test_a_picture_is_named_by_its_web_address(link: str | None, code: int | None) -> None:
    chosen = template(components=[{"type": "HEADER", "format": "IMAGE"}, {"type": "BODY", "text": "Hallo"}])
    header = {"type": "header", "parameters": [{"type": "image", "image": {"link": link}}]}
    if code is None:
        assert fill(chosen, [header]).header == "[image]"
        return
    with pytest.raises(GraphError) as refused:
        fill(chosen, [header])
    assert refused.value.code == code


BODY = {"type": "BODY", "text": "x"}


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "Meldung"},
        {"name": "m" * 513},
        {"components": []},
        {"components": [{"type": "BODY", "text": "x" * 1025}]},
        {"components": [BODY, {"type": "FOOTER", "text": "x" * 61}]},
        {"components": [BODY, {"type": "FOOTER", "text": "{{1}}"}]},
        {"components": [BODY, {"type": "HEADER", "text": "{{1}} {{2}}"}]},
        {"components": [BODY, {"type": "HEADER", "text": "x" * 61}]},
        {"components": [BODY, {"type": "BUTTONS", "buttons": [{"type": "URL", "text": "x" * 26}]}]},
        {"components": [BODY, {"type": "BUTTONS", "buttons": [{"type": "URL", "text": "x"}] * 11}]},
    ],
)
def test_what_meta_would_not_approve_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(SettingsError):
        check_definition(template(**changes))


@pytest.mark.parametrize("content", ["", "{}", '[{"name":"x"}]', '[{"name":1}]'])
def test_an_unusable_file_says_why(tmp_path: Path, content: str) -> None:
    file = tmp_path / "templates.json"
    file.write_text(content)
    with pytest.raises(SettingsError, match=r"\w"):
        Templates.load(file)

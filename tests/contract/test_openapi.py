"""The OpenAPI document is valid, is that of the code, and every answer of the notices API is in it."""

import json
import re

import pytest
from jsonschema import Draft202012Validator

from services.ingress.notices.errors import ErrorType
from tests.harness.notices_api import data, event, soon
from tools.openapi import FILE, PAGE, render_openapi, render_page

DOCUMENT = json.loads(render_openapi())


def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]})


def test_it_is_valid() -> None:
    from openapi_spec_validator import validate  # every process of a test run would wait for it

    validate(DOCUMENT)


def test_the_file_is_what_the_code_says() -> None:
    assert FILE.read_text() == render_openapi(), "run `python -m tools.openapi`"
    assert PAGE.read_text() == render_page(DOCUMENT), "run `python -m tools.openapi`"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("PublishedEvent", event(data=data())),
        ("PlainPublish", {**data(), "expires_at": soon()}),
        ("PlainUpdate", {**data(revision=2), "action": "update", "notice": "n", "expires_at": soon()}),
        ("PlainWithdraw", {"action": "withdraw", "notice": "n"}),
    ],
)
def test_what_the_tests_send_is_described(name: str, content: dict[str, object]) -> None:
    validator(name).validate(content)
    assert not validator(name).is_valid({**content, "notice": 7, "subject": 7})


def test_the_page_explains_each_error_and_needs_nothing_from_elsewhere() -> None:
    html = render_page(DOCUMENT)
    assert [kind.slug for kind in ErrorType if f'id="{kind.slug}"' not in html] == []
    assert "script" not in html
    assert 'href="/asyncapi.json"' in html
    assert not re.search(r"(src|href)=\"?(https?:)?//", html)
    links = set(re.findall(r'href="#([^"]+)"', html))
    assert [link for link in links if f'id="{link}"' not in html] == []

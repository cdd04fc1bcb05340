"""A page for every alert, with what a person needs who has just been woken."""

import re

import pytest

from deploy.paths import ROOT
from tests.alert_rules import ALERTS
from tests.runbook_pages import FOLDER

PAGES = {path.stem: path.read_text() for path in FOLDER.glob("*.md")}
SECTIONS = ["Meaning", "Look", "Do", "Call"]
MAX_LINES = 45
ADDRESS = re.compile(r'^url: "(.+)\.git"', re.MULTILINE)


def test_every_alert_has_its_page_and_every_page_its_alert() -> None:
    assert set(PAGES) == set(ALERTS)
    assert len(ALERTS) > 30


def test_an_alert_leads_to_its_page_at_the_address_of_the_repository() -> None:
    [address] = ADDRESS.findall((ROOT / "publiccode.yml").read_text())
    urls = {name: rule["annotations"]["runbook_url"] for name, rule in ALERTS.items()}
    assert urls == {name: f"{address}/docs/runbooks/{name}.md" for name in ALERTS}


def test_an_alert_says_how_bad_it_is() -> None:
    assert {rule["labels"]["severity"] for rule in ALERTS.values()} == {"critical", "warning"}


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_page_is_short_and_complete(name: str) -> None:
    page = PAGES[name]
    assert page.startswith(f"# {name}\n")
    assert re.findall(r"^## (.+)$", page, re.MULTILINE) == SECTIONS
    assert re.search(r"^## \w+\n\n(?=## )", page, re.MULTILINE) is None
    assert page.count("\n") <= MAX_LINES

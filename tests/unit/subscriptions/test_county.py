import json
from datetime import time
from pathlib import Path

import msgspec
import pytest

from services.subscriptions.domain.county import County
from shared.notices.configuration import ConfigurationError, Topic, read_configuration
from shared.notices.rules import MAX_CONTENT_LENGTH
from tests.factories.citizens import COUNTY, TEXTS

TEMPLATES = {template["name"]: template for template in json.loads(Path("deploy/config/templates.json").read_text())}
MAX_TEMPLATE_BODY = 1024
SHIPPED = Path("deploy/config/county.toml").read_text()


@pytest.mark.parametrize("topic", COUNTY.topics, ids=lambda topic: topic.id)
def test_each_topic_has_two_templates_that_differ_by_the_picture_only(topic: Topic) -> None:
    assert topic.picture_template is not None
    plain, pictured = TEMPLATES[topic.template], TEMPLATES[topic.picture_template]
    for template in (plain, pictured):
        assert (template["language"], template["category"].lower()) == (topic.language, topic.category)
    assert pictured["components"][1:] == plain["components"]


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_longest_notice_fits_into_each_template(name: str) -> None:
    (body,) = [part["text"] for part in TEMPLATES[name]["components"] if part["type"] == "BODY"]
    fixed = body.replace("{{headline}}", "").replace("{{text}}", "")
    assert len(fixed) + 1 + MAX_CONTENT_LENGTH <= MAX_TEMPLATE_BODY


@pytest.mark.parametrize("text", [wording.text for wording in TEXTS.list_all()])
def test_each_text_is_short_and_formal(text: str) -> None:
    assert len(text) <= 700
    assert "Sie" in text or "Ihre" in text
    assert not {"du", "dein", "dir"} & set(text.lower().split())


def test_the_receipt_says_what_from_whom_how_often_and_how_to_leave() -> None:
    for part in (COUNTY.name, COUNTY.frequency, "Stop", COUNTY.privacy_url, COUNTY.wording_version):
        assert part in TEXTS.receipt.text
    assert all(topic.title in TEXTS.receipt.text for topic in COUNTY.topics)


def test_the_hint_leads_to_telephone_and_counter() -> None:
    for part in ("04791 9300", COUNTY.counter, COUNTY.hours):
        assert part in TEXTS.hint.text


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('telephone = "04791 9300"', ""),
        ('privacy_url = "https', 'privacy_url = "http'),
        ('category = "utility"', 'category = "news"'),
        ('id = "stellen"', 'id = "baustellen"'),
        ("[[topics]]", "[[themen]]"),
        ("=", ""),
        ("# [permitted_hours]\n# opens = 08:00:00\n# closes = 20", "[permitted_hours]\nopens = 08:00:00\ncloses = 08"),
        ("# [permitted_hours]\n# opens = 08:00:00\n", '[permitted_hours]\nopens = 08:00:00\nzone = "Nirgendwo"\n'),
        ("# [permitted_hours]", "[permitted_hours]"),
    ],
)
def test_a_file_that_describes_no_county_is_refused(tmp_path: Path, old: str, new: str) -> None:
    broken = tmp_path / "county.toml"
    broken.write_text(SHIPPED.replace(old, new))
    with pytest.raises(ConfigurationError, match=r"county\.toml"):
        read_configuration(broken, County)


def test_there_are_no_permitted_hours_unless_the_file_says_so(tmp_path: Path) -> None:
    assert COUNTY.permitted_hours is None
    limited = tmp_path / "county.toml"
    limited.write_text(SHIPPED.replace("# [perm", "[perm").replace("# opens", "opens").replace("# closes", "closes"))
    hours = read_configuration(limited, County).permitted_hours
    assert hours is not None
    assert msgspec.structs.asdict(hours) == {"opens": time(8), "closes": time(20), "zone": "Europe/Berlin"}

"""Registered systems in the county's file."""

from pathlib import Path

import pytest

from shared.amqp.permissions import SERVICES
from shared.notices.configuration import Configuration, ConfigurationError, read_configuration

SHIPPED = Path("deploy/config/county.toml")
ANOTHER = '\n[[systems]]\nname = "{name}"\nsources = ["{source}"]\ntopics = ["{topic}"]\n'


def write_county(
    folder: Path,
    *,
    name: str = "strassen",
    source: str = "/strassen",
    topic: str = "stellen",
    more: str = "",
    price: str = '"0.0456"',
) -> Path:
    """The file of the county as it is shipped, with another system."""
    path = folder / "county.toml"
    shipped = SHIPPED.read_text().replace('utility = "0.0456"', f"utility = {price}")
    path.write_text(shipped + ANOTHER.format(name=name, source=source, topic=topic) + more)
    return path


def test_systems_are_known_by_their_names(tmp_path: Path) -> None:
    known = read_configuration(write_county(tmp_path), Configuration)
    assert [system.name for system in known.systems] == ["pressestelle", "redaktion", "feeds", "strassen"]
    assert known.find_system("strassen") == known.systems[3]
    assert known.find_system("nobody") is None
    assert known.find_system(None) is None


def test_a_file_from_an_editor_that_begins_it_with_a_bom_is_read(tmp_path: Path) -> None:
    path = write_county(tmp_path)
    path.write_bytes(path.read_text("utf-8").replace("\n", "\r\n").encode("utf-8-sig"))
    assert read_configuration(path, Configuration).find_system("strassen")


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "pressestelle"},
        {"source": "/landkreis-osterholz/pressestelle"},
        {"topic": "wetter"},
        {"name": "Straßen"},
        {"source": ""},
        *({"name": name} for name in (*SERVICES, "guest", "kreisfunk_operator")),
        {"more": 'manages = ["/nobody"]'},
        {"more": "notices_per_day = -1"},
        {"more": "urgent_per_day = 1.5"},
        {"price": '"-0.1"'},
        {"price": '"11"'},
        {"price": '"much"'},
    ],
    ids=str,
)
def test_what_is_ambiguous_or_cannot_be_right_is_refused(tmp_path: Path, wrong: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match=r"county\.toml"):
        read_configuration(write_county(tmp_path, **wrong), Configuration)

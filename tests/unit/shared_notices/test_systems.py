"""Who is registered, as the county's file says."""

from pathlib import Path

import pytest

from shared.notices.configuration import Configuration, ConfigurationError, read_configuration

SHIPPED = Path("deploy/config/county.toml")
ANOTHER = '\n[[systems]]\nname = "{name}"\nsources = ["{source}"]\ntopics = ["{topic}"]\n'


def with_another(folder: Path, *, name: str = "strassen", source: str = "/strassen", topic: str = "stellen") -> Path:
    path = folder / "county.toml"
    path.write_text(SHIPPED.read_text() + ANOTHER.format(name=name, source=source, topic=topic))
    return path


def test_systems_are_known_by_their_names(tmp_path: Path) -> None:
    known = read_configuration(with_another(tmp_path), Configuration)
    assert [system.name for system in known.systems] == ["pressestelle", "redaktion", "feeds", "strassen"]
    assert known.find_system("strassen") == known.systems[3]
    assert known.find_system("nobody") is None
    assert known.find_system(None) is None


@pytest.mark.parametrize(
    ("name", "source", "topic"),
    [
        ("pressestelle", "/strassen", "stellen"),
        ("strassen", "/landkreis-osterholz/pressestelle", "stellen"),
        ("strassen", "/strassen", "wetter"),
        ("Straßen", "/strassen", "stellen"),
        ("strassen", "", "stellen"),
        ("ingress", "/strassen", "stellen"),
    ],
)
def test_a_registration_that_is_ambiguous_or_wrong_is_refused(
    tmp_path: Path, name: str, source: str, topic: str
) -> None:
    with pytest.raises(ConfigurationError, match=r"county\.toml"):
        read_configuration(with_another(tmp_path, name=name, source=source, topic=topic), Configuration)


@pytest.mark.parametrize("line", ['manages = ["/nobody"]', "notices_per_day = -1", "urgent_per_day = 1.5"])
def test_a_registration_with_a_wrong_rule_is_refused(tmp_path: Path, line: str) -> None:
    path = with_another(tmp_path)
    path.write_text(f"{path.read_text()}{line}\n")
    with pytest.raises(ConfigurationError, match=r"county\.toml"):
        read_configuration(path, Configuration)


@pytest.mark.parametrize("price", ['"-0.1"', '"11"', '"much"'])
def test_a_price_that_cannot_be_right_is_refused(tmp_path: Path, price: str) -> None:
    path = tmp_path / "county.toml"
    path.write_text(SHIPPED.read_text().replace('utility = "0.0456"', f"utility = {price}"))
    with pytest.raises(ConfigurationError, match=r"county\.toml"):
        read_configuration(path, Configuration)

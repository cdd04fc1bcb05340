"""Who is registered, as the county's file says."""

from pathlib import Path

import pytest

from shared.municipal.configuration import Configuration
from shared.municipal.file import ConfigurationFileError, read_configuration

SHIPPED = Path("deploy/config/county.toml")
ANOTHER = '\n[[systems]]\nname = "{name}"\nsources = ["{source}"]\ntopics = ["{topic}"]\n'


def with_another(folder: Path, *, name: str = "strassen", source: str = "/strassen", topic: str = "stellen") -> Path:
    path = folder / "county.toml"
    path.write_text(SHIPPED.read_text() + ANOTHER.format(name=name, source=source, topic=topic))
    return path


def test_systems_are_known_by_their_names(tmp_path: Path) -> None:
    known = read_configuration(with_another(tmp_path), Configuration)
    assert [system.name for system in known.systems] == ["pressestelle", "strassen"]
    assert known.system("strassen") == known.systems[1]
    assert known.system("nobody") is None
    assert known.system(None) is None


@pytest.mark.parametrize(
    ("name", "source", "topic"),
    [
        ("pressestelle", "/strassen", "stellen"),
        ("strassen", "/landkreis-osterholz/pressestelle", "stellen"),
        ("strassen", "/strassen", "wetter"),
        ("Straßen", "/strassen", "stellen"),
        ("strassen", "", "stellen"),
    ],
)
def test_a_registration_that_is_ambiguous_or_wrong_is_refused(
    tmp_path: Path, name: str, source: str, topic: str
) -> None:
    with pytest.raises(ConfigurationFileError, match=r"county\.toml"):
        read_configuration(with_another(tmp_path, name=name, source=source, topic=topic), Configuration)

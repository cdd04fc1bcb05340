"""What others need before they may use this: a licence, and what catalogues read."""

import tomllib

import msgspec
import pytest

from tests.unit.docs.generate import DOCS

ROOT = DOCS.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CATALOGUE = msgspec.yaml.decode((ROOT / "publiccode.yml").read_bytes())


def test_the_licence_is_here_as_a_whole_under_one_name() -> None:
    text = (ROOT / "LICENSE").read_text()
    assert text.startswith("EUROPEAN UNION PUBLIC LICENCE v. 1.2\n")
    assert "Appendix" in text
    assert text == (ROOT / "LICENSES" / f"{PROJECT['license']}.txt").read_text()
    (annotation,) = tomllib.loads((ROOT / "REUSE.toml").read_text())["annotations"]
    assert (annotation["path"], annotation["SPDX-License-Identifier"]) == ("**", PROJECT["license"])


def test_the_catalogue_says_what_the_project_does() -> None:
    assert CATALOGUE["softwareVersion"] == PROJECT["version"]
    assert CATALOGUE["legal"]["license"] == PROJECT["license"]
    assert CATALOGUE["maintenance"]["contacts"]


@pytest.mark.parametrize("language", ["de", "en"])
def test_the_catalogue_keeps_to_the_standards_lengths(language: str) -> None:
    words = CATALOGUE["description"][language]
    assert len(words["shortDescription"]) <= 150
    assert 150 <= len(words["longDescription"]) <= 10_000
    assert words["features"]


@pytest.mark.parametrize("page", ["LICENSE", "SECURITY.md", "CODE_OF_CONDUCT.md"])
def test_the_readme_leads_to_it(page: str) -> None:
    assert f"({page})" in (ROOT / "README.md").read_text()

"""Requirements for publishing this repository: a licence, and metadata for catalogues."""

import tomllib
from typing import Any

import msgspec
from jsonschema import Draft7Validator

from deploy import VERSION
from tools.docs.generate import DOCS

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
    assert CATALOGUE["softwareVersion"] == VERSION
    assert CATALOGUE["legal"]["license"] == PROJECT["license"]


TEXT = {"type": "string", "minLength": 1}
DAY = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\d$"}
ADDRESS = {"type": "string", "pattern": r"^https?://[^/\s]+"}
LANGUAGE = "^[a-z]{2,3}(-[A-Za-z0-9]+)*$"


def section(*required: str, **keys: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": keys, "additionalProperties": False}


def some(kind: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": kind, "minItems": 1}


# What the standard publiccode.yml 0.4 demands of the keys that we have; another key needs a line here first.
STANDARD = section(
    *("publiccodeYmlVersion", "name", "url", "platforms", "developmentStatus", "softwareType", "description", "legal"),
    *("maintenance", "localisation", "categories"),
    publiccodeYmlVersion={"enum": ["0.4", "0.4.0"]},
    name=TEXT,
    url=ADDRESS,
    softwareVersion=TEXT,
    releaseDate=DAY,
    platforms=some(TEXT),
    categories=some({"enum": ["communications"]}),
    developmentStatus={"enum": ["concept", "development", "beta", "stable", "obsolete"]},
    softwareType={
        "enum": [
            *(f"standalone/{kind}" for kind in ("mobile", "iot", "desktop", "web", "backend", "other")),
            *("addon", "library", "configurationFiles"),
        ]
    },
    description={
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"pattern": LANGUAGE},
        "additionalProperties": section(
            *("shortDescription", "longDescription", "features"),
            shortDescription={"type": "string", "minLength": 1, "maxLength": 150, "pattern": r"^[^\n]*$"},
            longDescription={"type": "string", "minLength": 150, "maxLength": 10_000},
            features=some(TEXT),
        ),
    },
    legal=section("license", license={"const": "EUPL-1.2"}, mainCopyrightOwner=TEXT),
    # Internal maintenance needs somebody who can be asked.
    maintenance=section(
        *("type", "contacts"),
        type={"const": "internal"},
        contacts=some(
            section("name", name=TEXT, email=TEXT, affiliation=TEXT, phone={"type": "string", "pattern": r"^\+"})
        ),
    ),
    localisation=section(
        *("localisationReady", "availableLanguages"),
        localisationReady={"type": "boolean"},
        availableLanguages=some({"type": "string", "pattern": LANGUAGE}),
    ),
)


def test_the_catalogue_keeps_to_its_standard() -> None:
    Draft7Validator.check_schema(STANDARD)
    assert [(error.json_path, error.message) for error in Draft7Validator(STANDARD).iter_errors(CATALOGUE)] == []

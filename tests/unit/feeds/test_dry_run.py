"""`kreisfunk feeds check`: each entry by itself, by the rules of one feed; nothing is kept or sent."""

import re
from pathlib import Path

import pytest

from deploy.paths import CONFIG
from services.feeds.configuration import FeedsFile, read_files
from services.feeds.dry_run import DryRunError, DryRunResult, evaluate_input
from services.feeds.fetching import Fetched
from shared.notices.configuration import ConfigurationError, read_configuration
from tests.factories.alerts import build_alert, build_area, build_info
from tests.factories.feeds import IDENTITY, SOURCE, build_item, build_rss
from tests.harness.commands import CommandResult, run_in_process

FILE = f"""
system = "feeds"
source = "{SOURCE}"
[[feeds]]
name = "presse"
url = "https://www.landkreis-osterholz.de/presse.rss"
topic = "veranstaltungen"
mode = "direct"
[[feeds.rules]]
title = "Stellen"
topic = "stellen"
mode = "draft"
[[feeds.rules]]
title = "Intern"
skip = true
[[feeds]]
name = "zweite"
url = "https://www.landkreis-osterholz.de/zweite.rss"
topic = "stellen"
[[alerts]]
name = "warnung"
files = "alerts"
topic = "strassensperrungen"
mode = "direct"
"""
SOON = "2099-01-01T00:00:00+01:00"


def write(path: Path, text: str) -> None:
    path.write_text(text)


def evaluate(body: bytes, file: FeedsFile, name: str | None = None, address: str = "") -> list[DryRunResult]:
    return evaluate_input(Fetched(body=body, address=address), file, name, IDENTITY)


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "feeds.toml"
    path.write_text(FILE)
    return path


@pytest.fixture
def file(rules: Path) -> FeedsFile:
    return read_configuration(rules, FeedsFile)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("every", '"10s"', "must be a string such as 15m, 12h or 2d - at $.feeds[0].every"),
        ("url", '"www.kreis.example"', "must be a string that begins with http:// or https:// - at $.feeds[0].url"),
        ("mode", '"drafts"', "Invalid enum value 'drafts' - at $.feeds[0].mode"),
        ("most_at_once", "0", "must be an integer >= 1 - at $.feeds[0].most_at_once"),
    ],
)
def test_a_mistake_in_the_file_is_named_in_words(key: str, value: str, said: str, rules: Path) -> None:
    lines = [line for line in FILE.splitlines() if not line.startswith(f"{key} = ")]
    lines.insert(lines.index("[[feeds]]") + 1, f"{key} = {value}")
    rules.write_text("\n".join(lines))
    with pytest.raises(ConfigurationError) as caught:
        read_configuration(rules, FeedsFile)
    assert str(caught.value) == f"{rules}: {said}"


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ('topic = "unknown"', "presse: the system may not publish about unknown"),
        ('topic = "stellen"\nmunicipalities = ["Bremen"]', "presse: the county has no Bremen"),
        ('topic = "stellen"\ncolour = "red"', "unknown field colour - at $.feeds[0].rules[0]"),
        ('topic = "stellen"\ntext = "("', "is not a valid regular expression: missing ), unterminated subpattern"),
    ],
)
def test_a_rule_that_is_wrong_or_does_not_fit_the_county_is_named(rule: str, said: str, rules: Path) -> None:
    rules.write_text(FILE.replace('topic = "stellen"', rule, 1))
    with pytest.raises(ConfigurationError) as caught:
        read_files(rules, CONFIG / "county.toml")
    assert said in str(caught.value)


def test_each_entry_becomes_what_it_would_become_if_it_were_new(file: FeedsFile) -> None:
    feed = build_rss(
        [
            build_item(1),
            build_item(2, title="Stellen: zwei"),
            build_item(3, title="Intern"),
            build_item(4, title=""),
            build_item(1),
        ]
    )
    tried = evaluate(feed, file, "presse")
    assert [(one.title, one.result, one.draft) for one in tried[:3]] == [
        ("Meldung 1", "published", False),
        ("Stellen: zwei", "drafted", True),
        ("Intern", "left_out", False),
    ]
    assert {one.result for one in tried[3:]} == {"broken"}
    assert [event["data"]["topic"] for one in tried for event in one.events] == ["veranstaltungen", "stellen"]


def test_the_address_says_by_whose_rules(file: FeedsFile) -> None:
    address = "https://www.landkreis-osterholz.de/zweite.rss"
    (tried,) = evaluate(build_rss([build_item(1)]), file, address=address)
    assert tried.events[0]["data"]["topic"] == "stellen"


def test_where_several_could_be_meant_one_has_to_be_named(file: FeedsFile) -> None:
    for name in (None, "dritte"):
        with pytest.raises(DryRunError, match="presse, zweite"):
            evaluate(build_rss([build_item(1)]), file, name)


def test_an_alert_is_tried_by_the_rules_of_alerts(file: FeedsFile) -> None:
    body = build_alert("w-1", build_info(build_area("Landkreis Osterholz"), headline="Wasser abkochen", expires=SOON))
    (tried,) = evaluate(body, file)
    assert (tried.title, tried.result, tried.is_fine) == ("Wasser abkochen", "published", True)
    assert tried.events[0]["data"]["headline"] == "Wasser abkochen"


def test_an_exercise_is_no_alert_for_the_public(file: FeedsFile) -> None:
    (tried,) = evaluate(build_alert("w-1", status="Exercise"), file)
    assert (tried.events, tried.is_fine) == ((), True)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "neither a feed nor an alert"),
        (b'<!DOCTYPE x [<!ENTITY a "b">]><rss/>', "document type"),
        (b"<!DOCTYPE html><html></html>", "it is a web page"),
        (b'<!doctype HTML PUBLIC "">\n<html/>', "it is a web page"),
        (b" <html>", "it is a web page"),
    ],
)
def test_what_is_neither_is_said_so(file: FeedsFile, body: bytes, said: str) -> None:
    with pytest.raises(DryRunError, match=said):
        evaluate(body, file)


async def check(rules: Path, target: Path, *arguments: str) -> CommandResult:
    return await run_in_process("feeds", "check", str(target), "--file", str(rules), *arguments, environment={})


async def test_the_command_needs_no_broker_and_says_it_in_words(rules: Path, tmp_path: Path) -> None:
    target = tmp_path / "feed.xml"
    target.write_bytes(build_rss([build_item(1), build_item(2, title="Intern")]))
    ended = await check(rules, target, "--rules", "presse")
    assert (ended.status, ended.errors) == (0, ""), ended.everything
    assert re.match(r"published: Meldung 1\n  veranstaltungen: Meldung 1, until 20[\d-]+ [\d:]{8}\+0", ended.output)
    assert ended.output.endswith("left out by rule: Intern\n")


async def test_what_would_be_refused_is_named_with_its_field(rules: Path, tmp_path: Path) -> None:
    target = tmp_path / "feed.xml"
    target.write_bytes(build_rss([build_item(1)]))
    write(rules, FILE.replace('mode = "direct"', 'mode = "direct"\nexpires_in = "9000d"', 1))
    ended = await check(rules, target, "--rules", "presse", "--json")
    assert ended.status == 3
    assert [problem["field"] for problem in ended.json["entries"][0]["problems"]] == ["expirytime"]


async def test_a_file_that_is_not_there_is_named(rules: Path, tmp_path: Path) -> None:
    ended = await check(rules, tmp_path / "nothing.xml")
    assert (ended.status, "nothing.xml" in ended.errors) == (1, True)


async def test_rules_that_there_are_not_are_a_wrong_command_line(rules: Path, tmp_path: Path) -> None:
    target = tmp_path / "feed.xml"
    target.write_bytes(build_rss([build_item(1)]))
    ended = await check(rules, target, "--rules", "dritte")
    assert (ended.status, "presse, zweite" in ended.errors) == (2, True)


@pytest.mark.parametrize("command", [("check", "feed.xml"), ("list",), ("once",)])
async def test_a_wrong_file_is_a_wrong_command_line(command: tuple[str, ...], rules: Path, tmp_path: Path) -> None:
    write(rules, FILE.replace('system = "feeds"', 'system = "unknown"'))
    folder = () if command[0] == "check" else ("--folder", str(tmp_path))
    access = {"KREISFUNK_NOTICES_API_URL": "http://127.0.0.1:1", "KREISFUNK_NOTICES_API_TOKEN": "only-for-tests"}
    ended = await run_in_process("feeds", *command, "--file", str(rules), *folder, environment=access)
    assert (ended.status, "system: unknown is not registered" in ended.errors) == (2, True), ended.everything


@pytest.mark.parametrize(("command", "option"), [(("list",), "--file"), (("drafts", "list"), "--folder")])
async def test_what_is_missing_may_be_given_as_an_option(command: tuple[str, ...], option: str) -> None:
    ended = await run_in_process("feeds", *command, environment={})
    assert (ended.status, ended.errors.splitlines()[-1]) == (2, f"Or give {option}.")


@pytest.mark.parametrize("command", ["list", "show", "drop"])
async def test_a_folder_that_is_not_there_is_not_taken_for_an_empty_one(command: str, tmp_path: Path) -> None:
    folder = tmp_path / "mistyped"
    name = () if command == "list" else ("x",)
    ended = await run_in_process("feeds", "drafts", command, *name, "--folder", str(folder), environment={})
    assert (ended.status, str(folder) in ended.errors, ended.output) == (2, True, "")

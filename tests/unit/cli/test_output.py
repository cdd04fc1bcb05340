"""Text written by strangers reaches a terminal as text."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.output import console, escape, fail, format_list, format_pairs, format_table, format_time, say
from deploy.paths import ROOT

HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\r\x08\u202e\u200b"
OBEYED = ("\x1b", "\x07", "\x9b", "\r", "\x08", "\u202e", "\u200b")


@given(st.text())
def test_what_is_escaped_is_printable_and_still_the_same_in_json(text: str) -> None:
    shown = escape(text, line=True)
    assert not any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in shown)
    written = json.dumps({"text": text}, ensure_ascii=False)
    assert json.loads(escape(written)) == {"text": text}


def test_every_way_of_printing_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    say(HOSTILE)
    say(format_table(("name",), [(f"{HOSTILE}\nforged",)]))
    say(format_pairs(("name", f"{HOSTILE}\nforged")))
    console.print(HOSTILE, markup=False)
    with pytest.raises(Exception, match="1"):
        fail(HOSTILE, HOSTILE)
    printed = capsys.readouterr()
    everything = printed.out + printed.err
    assert not any(letter in everything for letter in OBEYED)
    assert everything.count("\\u001b]0;owned\\u0007") == 6
    assert not any(line.startswith("forged") for line in everything.splitlines())


def test_half_a_character_is_escaped_too(capsys: pytest.CaptureFixture[str]) -> None:
    say("a name \udcff and half an emoji \ud83d")
    console.print("\udcff", markup=False)
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("a name \\udcff and half an emoji \\ud83d\n", "\\udcff\n")


def test_what_is_no_danger_stays_as_it_is() -> None:
    text = "Umleitung: Größe 3 €, 日本, 👍🏽\n\tzweite Zeile"
    assert escape(text) == text


def test_a_time_says_of_which_zone_it_is() -> None:
    """A container's is not the county's."""
    at = datetime(2026, 11, 28, 10, 35, 2, 500, tzinfo=UTC)
    assert datetime.fromisoformat(format_time(at)) == at.replace(microsecond=0)


def test_a_list_says_what_it_leaves_out_and_how_to_see_it() -> None:
    rows = [("a", 1), ("b", 2)]
    assert format_list(("id", "size"), rows, empty="nothing", total=2) == format_table(("id", "size"), rows)
    assert format_list(("id", "size"), rows, empty="nothing", total=5).endswith("\n3 more: --limit 5")
    assert format_list(("id", "size"), [], empty="nothing") == "nothing"


def write_draft(folder: Path, headline: str) -> None:
    draft = folder / "drafts" / "presse.json"
    draft.parent.mkdir()
    draft.write_text(json.dumps({"data": {"headline": headline}}, ensure_ascii=False))


KREISFUNK = f"exec {sys.executable} -m cli.main"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_command_does_without_a_stream_that_its_caller_has_closed(tmp_path: Path, closed: str) -> None:
    write_draft(tmp_path, "Sperrung")
    command = ["bash", "-c", f"{KREISFUNK} feeds drafts show presse --folder {tmp_path} {closed}"]
    ended = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert (ended.returncode, ended.stderr, b"Sperrung" in ended.stdout) == (0, b"", " >&-" not in f" {closed}")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ("feeds drafts show presse --folder {} >/dev/full", "No space left on device"),
        ("sending --help >/dev/full", "No space left on device"),
        ("sending --stack {}/drafts/presse.json", "Not a directory"),
    ],
)
def test_what_the_machine_refuses_is_named(tmp_path: Path, arguments: str, named: str) -> None:
    write_draft(tmp_path, "Sperrung")
    command = ["bash", "-c", f"unset PYTHONUNBUFFERED; {KREISFUNK} {arguments.format(tmp_path)}"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert named in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [("ascii", r"Gr\u00f6\u00dfe"), ("iso-8859-15", r"Größe \u00a4"), ("latin-1", r"Größe ¤ \u201e")],
)
def test_json_stays_json_where_some_characters_cannot_be_encoded(tmp_path: Path, encoding: str, shown: str) -> None:
    headline = "Größe ¤ „viel“ \N{SNOWMAN} \N{POLICE CARS REVOLVING LIGHT}"
    write_draft(tmp_path, headline)
    ended = subprocess.run(
        [sys.executable, "-m", "cli.main", "feeds", "drafts", "show", "presse", "--folder", str(tmp_path)],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert f'"{shown}'.encode(encoding) in ended.stdout
    assert json.loads(ended.stdout.decode(encoding))["data"]["headline"] == headline

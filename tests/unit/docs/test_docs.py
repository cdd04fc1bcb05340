"""The documentation is not stale, and what it points to is there."""

import re
from fnmatch import fnmatch
from pathlib import Path

import pytest

from shared.contracts.envelope import MESSAGES as KINDS
from tests.unit.rules.repository import format_path
from tools.docs.generate import DOCS, MESSAGES, PARTS
from tools.docs.generate import render_page as generated
from tools.docs.messages import render_messages_page

ROOT = DOCS.parent
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)|src(?:set)?=\"([^\"]+)\"")
MAKE = re.compile(r"\bmake ([a-z]+(?:-[a-z]+)*)")
CODE = re.compile(r"(?<!`)`[^`\n]+`(?!`)|^ {4}.+$", re.MULTILINE)
TARGET = re.compile(r"^([a-z-]+):", re.MULTILINE)
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
TABLE = re.compile(r"(?:^\|.*\n)+", re.MULTILINE)
CELL = re.compile(r"(?<!\\)\|")
PICTURE_BYTES = 300_000


def anchors(page: Path) -> set[str]:
    """Return what a heading is called in an address."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in HEADING.findall(page.read_text())}


def links(page: Path) -> set[str]:
    found = {first or second for first, second in LINK.findall(page.read_text())}
    return {link for link in found if not link.startswith(("http://", "https://", "mailto:"))}


def is_broken(page: Path, link: str) -> bool:
    file, _, anchor = link.partition("#")
    target = (page.parent / file).resolve() if file else page
    return not target.exists() or bool(anchor and target.suffix == ".md" and anchor not in anchors(target))


def test_the_page_about_messages_is_what_the_contracts_say() -> None:
    assert MESSAGES.read_text() == render_messages_page(), "run `python -m tools.docs.generate`"
    assert [name for name in KINDS if f"### `{name}`" not in MESSAGES.read_text()] == []


@pytest.mark.parametrize("path", PARTS, ids=format_path)
def test_generated_parts_are_what_the_code_says(path: Path) -> None:
    assert path.read_text() == generated(path), "run `python -m tools.docs.generate`"


def test_links_lead_somewhere() -> None:
    assert [(format_path(page), link) for page in PAGES for link in links(page) if is_broken(page, link)] == []


def test_tables_have_a_head_and_rows_of_equal_length() -> None:
    tables = [(format_path(page), table) for page in PAGES for table in TABLE.findall(page.read_text())]
    rows = [(page, table.splitlines()) for page, table in tables]
    assert [page for page, lines in rows if not re.fullmatch(r"\|(?: ?:?-+:? ?\|)+", "".join(lines[1:2]))] == []
    assert [page for page, lines in rows if len({len(CELL.findall(line)) for line in lines}) > 1] == []


def test_what_is_to_be_made_can_be_made() -> None:
    targets = set(TARGET.findall((ROOT / "Makefile").read_text()))
    code = [part for page in PAGES for part in CODE.findall(page.read_text())]
    assert set(MAKE.findall("\n".join(code))) - targets == set()


def test_every_decision_is_in_the_list() -> None:
    listed = (DOCS / "decisions" / "README.md").read_text()
    assert [page.name for page in (DOCS / "decisions").glob("0*.md") if f"({page.name})" not in listed] == []


def test_pictures_are_small() -> None:
    sizes = {path.name: path.stat().st_size for path in (DOCS / "pictures").iterdir()}
    assert sizes
    assert {name: size for name, size in sizes.items() if size > PICTURE_BYTES} == {}


def test_a_secret_that_the_guides_write_into_the_checkout_is_ignored_by_git() -> None:
    guides = "\n".join(path.read_text() for path in DOCS.glob("guides/*.md"))
    written = set(re.findall(r"(?:<|cp|kreisfunk secrets) (?:/made/)?([\w-]+(?:\.txt|\.tar|(?=\n)))", guides))
    assert written > {"client-secret.txt", "secrets"}
    ignored = [line.strip("/") for line in (ROOT / ".gitignore").read_text().split()]
    assert [name for name in written if not any(fnmatch(name, pattern) for pattern in ignored)] == []

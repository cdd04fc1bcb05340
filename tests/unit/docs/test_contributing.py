"""The worked examples in CONTRIBUTING: the lines that they change are in the files that they name."""

import re
from collections.abc import Iterator
from itertools import pairwise

from deploy.paths import ROOT

BLOCK = re.compile(r"^```diff\n(.+?)^```$", re.MULTILINE | re.DOTALL)
HEADER = "--- "


def list_expected_lines() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each file with a line beside an added one, or with a replaced line and its replacement.

    `…` stands for the rest of a line.
    """
    for block in BLOCK.findall((ROOT / "CONTRIBUTING.md").read_text()):
        file = ""
        for line, following in pairwise([*block.splitlines(), ""]):
            if line.startswith(HEADER):
                file = line.removeprefix(HEADER)
            elif line.startswith("-"):
                yield file, (line[1:].partition("…")[0], following[1:])
            elif line.startswith(" "):
                yield file, (line[1:],)


def test_every_worked_example_is_about_lines_that_exist() -> None:
    expected = list(list_expected_lines())
    assert len({file for file, _ in expected}) > 5
    assert [
        (file, lines) for file, lines in expected if not any(f"\n{line}" in (ROOT / file).read_text() for line in lines)
    ] == []

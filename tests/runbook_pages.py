"""The commands in the pages of runbooks."""

import re
from collections.abc import Iterator

from deploy.paths import ROOT

FOLDER = ROOT / "docs" / "runbooks"
_BLOCK = re.compile(r"(?:^ {4,}\S.*\n)+", re.MULTILINE)
_INLINE = re.compile(r"`((?:docker|df) [^`]+)`")
_NEW_COMMAND = re.compile(r"^ +(?=(?:docker|df)\b)", re.MULTILINE)
_STEP = re.compile(r"^(?=\d\. )", re.MULTILINE)


def read_commands(alert: str, section: str = "", step: int = 0) -> list[str]:
    """Return the commands of a page, of one of its sections, or of one numbered step."""
    text = (FOLDER / f"{alert}.md").read_text()
    if section:
        [text] = re.findall(rf"^## {section}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if step:
        text = next(part for part in _STEP.split(text) if part.startswith(f"{step}. "))
    return [" ".join(command.split()) for command in _find_commands(text)]


def _find_commands(text: str) -> Iterator[str]:
    for block in _BLOCK.findall(text):
        yield from filter(None, map(str.strip, _NEW_COMMAND.split(block.replace("\\\n", " "))))
    yield from _INLINE.findall(_BLOCK.sub("", text))

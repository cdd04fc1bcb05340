"""Writes the generated parts of the documentation anew: `python -m tests.unit.docs.generate`."""

import re
from pathlib import Path

from tests.unit.docs.messages import messages_page
from tests.unit.docs.settings import settings_tables

DOCS = Path(__file__).parents[3] / "docs"
MESSAGES = DOCS / "messages.md"
OPERATORS = DOCS / "guides" / "operators.md"
BEGIN, END = "<!-- settings: generated -->", "<!-- settings: end -->"


def operators_page(written: str) -> str:
    """The guide as it is, with the tables in their place."""
    between = re.compile(f"(?<={re.escape(BEGIN)}\n).*(?={re.escape(END)})", re.DOTALL)
    assert between.search(written), f"{BEGIN} and {END} are missing"
    return between.sub(lambda _: f"\n{settings_tables()}\n\n", written)


if __name__ == "__main__":
    MESSAGES.write_text(messages_page())
    OPERATORS.write_text(operators_page(OPERATORS.read_text()))

"""Markdown tables."""

from collections.abc import Iterable, Sequence


def render_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; bars in cells are escaped."""
    return "\n".join(map(_render_row, [head, ["---"] * len(head), *rows]))


def _render_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def format_code(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)

"""Markdown, printed row by row, since a run takes minutes."""

from collections.abc import Sequence


def start(title: str, columns: Sequence[str]) -> None:
    print(f"\n### {title}\n")
    row(columns)
    row(["---", *("---:" for _ in columns[1:])])


def row(cells: Sequence[str]) -> None:
    print(f"| {' | '.join(cells)} |", flush=True)

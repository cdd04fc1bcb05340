"""Markdown tables, printed row by row, since a run takes minutes."""

from collections.abc import Sequence


def print_header(title: str, columns: Sequence[str]) -> None:
    print(f"\n### {title}\n")
    print_row(columns)
    print_row(["---", *("---:" for _ in columns[1:])])


def print_row(cells: Sequence[str]) -> None:
    print(f"| {' | '.join(cells)} |", flush=True)

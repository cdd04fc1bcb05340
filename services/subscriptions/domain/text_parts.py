"""Splitting of a long text into as many messages as WhatsApp needs for it."""

from collections.abc import Iterable, Iterator, Sequence

# WhatsApp permits 4,096 characters; the rest is for the text around a part.
MAX_PART_LENGTH = 3_900


def split_into_parts(lines: Iterable[str], longest: int = MAX_PART_LENGTH) -> tuple[str, ...]:
    """Return the lines in order, in parts as full as possible; a line longer than a part is cut into pieces."""
    parts: list[str] = []
    for line in lines:
        for piece in _split_line(line, longest):
            fuller = f"{parts[-1]}\n{piece}" if parts else piece
            if parts and count_utf16_units(fuller) <= longest:
                parts[-1] = fuller
            else:
                parts.append(piece)
    return tuple(parts)


def count_utf16_units(text: str) -> int:
    """Return the length in UTF-16 units, in which an emoji counts as two: WhatsApp does not say which unit it means."""
    return len(text.encode("utf-16-le")) // 2


def _split_line(line: str, longest: int) -> Iterator[str]:
    """Cut a line that does not fit into pieces of half a part, so that none is too long in any unit."""
    if count_utf16_units(line) <= longest:
        yield line
        return
    step = longest // 2
    yield from (line[start : start + step] for start in range(0, len(line), step))


def select_part(parts: Sequence[str], number: int) -> tuple[int, str]:
    """Return the number and the text of the requested part, or of the last one if there are fewer."""
    chosen = max(1, min(number, len(parts)))
    return chosen, parts[chosen - 1]

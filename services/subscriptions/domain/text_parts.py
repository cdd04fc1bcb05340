"""A long text in as many messages as WhatsApp needs for it."""

from collections.abc import Iterable, Iterator, Sequence

# WhatsApp takes 4,096 characters; the rest is for what stands around a part.
MAX_PART_LENGTH = 3_900


def split_into_parts(lines: Iterable[str], longest: int = MAX_PART_LENGTH) -> tuple[str, ...]:
    """The lines in their order, each part as full as can be; a line longer than a part is cut into pieces."""
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
    """In the unit in which an emoji counts as two: nobody says which one WhatsApp means."""
    return len(text.encode("utf-16-le")) // 2


def _split_line(line: str, longest: int) -> Iterator[str]:
    """At most half a part's characters each if they do not fit, so that none is too long however they count."""
    if count_utf16_units(line) <= longest:
        yield line
        return
    step = longest // 2
    yield from (line[start : start + step] for start in range(0, len(line), step))


def select_part(parts: Sequence[str], number: int) -> tuple[int, str]:
    """The part of this number, or the last one there is, and which it is."""
    chosen = max(1, min(number, len(parts)))
    return chosen, parts[chosen - 1]

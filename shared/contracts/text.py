"""External text: its length, and the removal of characters that harm databases, terminals or readers."""

_SPACES = dict.fromkeys(map(ord, "\v\f\x1c\x1d\x1e\x1f\x85"), " ")
_CONTROLS = dict.fromkeys([*range(0x20), *range(0x7F, 0xA0)])
_DIRECTIONS = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)])
_SURROGATES = dict.fromkeys(range(0xD800, 0xE000))
_LINES = {ord(character): character for character in "\t\n\r"}
_CLEAN = {**_SURROGATES, **_DIRECTIONS, **_CONTROLS, **_SPACES, **_LINES}


def strip_controls(text: str) -> str:
    """Remove control characters, lone surrogates and bidirectional overrides, but not tabs and line breaks."""
    return text.translate(_CLEAN)


def count_units(text: str) -> int:
    """Return the length in UTF-16 units, the strictest measure in use: an emoji counts as two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2

"""JSON as Meta puts it on the wire: everything beyond ASCII escaped in lower case, and slashes too."""

import re

NOT_ASCII = re.compile(r"[^\x00-\x7f]")


def escape(encoded: bytes) -> bytes:
    """Return the same JSON with `ä` as `\\u00e4`, an emoji as a surrogate pair and `/` as `\\/`."""
    # Neither can occur outside a string in JSON, so no parsing is needed.
    escaped = encoded.replace(b"/", b"\\/") if b"/" in encoded else encoded
    return escaped if escaped.isascii() else NOT_ASCII.sub(_escape, escaped.decode()).encode()


def _escape(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))

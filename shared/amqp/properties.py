"""Message properties from untrusted publishers; unreadable ones are dropped.

pamqp fails on text that is not UTF-8, a time that Python cannot represent, or endlessly nested tables: that ends the
connection and everything read from it, citizens' messages included. aio-pika fails on an unknown delivery mode: the
message is then never settled and occupies `prefetch` forever.
"""

from collections.abc import Callable, Mapping
from typing import Any

from pamqp import decode
from pamqp.base import BasicProperties
from pamqp.commands import Basic

_LENGTHS: Mapping[str, Callable[[bytes], int]] = {
    "octet": lambda _: 1,
    "shortstr": lambda data: 1 + data[0],
    "table": lambda data: 4 + int.from_bytes(data[:4], "big"),
    "timestamp": lambda _: 8,
}
_DELIVERY_MODES = (1, 2)


def accept_all_properties() -> None:
    """Patch pamqp, so that messages are delivered whatever properties they have."""
    Basic.Properties.unmarshal = _read_properties  # type: ignore[method-assign, assignment] # it has no setting


def _read_properties(properties: BasicProperties, flags: int, data: bytes) -> None:
    """Read each property on its own: an unreadable one still has a known length."""
    for name in properties.__slots__:
        if flags & properties.flags[name]:
            kind = properties.amqp_type(name)
            end = _LENGTHS[kind](data)
            setattr(properties, name, _read_property(name, kind, data[:end]))
            data = data[end:]


def _read_property(name: str, kind: str, data: bytes) -> Any:
    try:
        value = decode.by_type(data, kind)[1]
    except Exception:  # any error is caused by the publisher
        return None
    return value if name != "delivery_mode" or value in _DELIVERY_MODES else None

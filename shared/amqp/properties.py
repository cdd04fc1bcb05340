"""Properties of messages, as strangers write them: what cannot be read is left out.

pamqp gives up over a text that is no UTF-8, a moment that Python has no date for, or tables in tables without an end:
then the connection ends, and all that is read from it, citizens' messages among it. aio-pika gives up over a delivery
mode that there is not: then the message is never settled, and takes a place for ever.
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
    """From now on a message of a stranger's is delivered, whatever properties it has."""
    Basic.Properties.unmarshal = _read_properties  # type: ignore[method-assign, assignment] # it has no setting


def _read_properties(properties: BasicProperties, flags: int, data: bytes) -> None:
    """Each by itself, since one that cannot be read still says how long it is."""
    for name in properties.__slots__:
        if flags & properties.flags[name]:
            kind = properties.amqp_type(name)
            end = _LENGTHS[kind](data)
            setattr(properties, name, _read_property(name, kind, data[:end]))
            data = data[end:]


def _read_property(name: str, kind: str, data: bytes) -> Any:
    try:
        value = decode.by_type(data, kind)[1]
    except Exception:  # whatever it is, it is the stranger's doing
        return None
    return value if name != "delivery_mode" or value in _DELIVERY_MODES else None

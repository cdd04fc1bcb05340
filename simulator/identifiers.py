"""Identifiers in Meta's format: message ids, phone numbers and business-scoped user ids."""

import base64
import itertools
import re
import secrets
from collections.abc import Iterator

# Longer than any number that can be assigned in Germany: a message that escapes from a test can reach nobody.
PHONE_PREFIX = "4917604069"
MAX_PHONES = 100_000
FIRST_USER_ID = 40_100_200_300_000_000

USER_ID = re.compile(r"[A-Z]{2}\.[A-Za-z0-9]{1,128}")
PHONE = re.compile(r"\+?[0-9]{5,15}")


def make_phone_number(index: int) -> str:
    """Return the number of the phone with this index, digits only."""
    return f"{PHONE_PREFIX}{index:05d}"


def make_user_id(index: int) -> str:
    """Return the business-scoped user id that belongs to the phone with this index."""
    return f"DE.{FIRST_USER_ID + index}"


def make_wamid(person: str, serial: str, *, outgoing: bool) -> str:
    """Return a message id that contains the person's number or user id, as Meta's do."""
    direction = b"\x11" if outgoing else b"\x12"
    name, number = person.encode(), serial.encode()
    content = b"\x1c\x18%c%b\x15\x02\x00%b\x18%c%b\x00" % (len(name), name, direction, len(number), number)
    return f"wamid.{base64.b64encode(content).decode()}"


def generate_serials() -> Iterator[str]:
    """Generate serial numbers, unique within a process and almost certainly across processes."""
    process = secrets.token_hex(4).upper()
    return (f"{process}{number:010X}" for number in itertools.count(1))

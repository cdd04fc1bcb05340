"""Webhooks that Meta never sends: samples with removed, doubled or swapped parts, or corrupted bytes.

The same number gives the same case, so that a failing one can be repeated.
"""

import copy
import json
import os
import random
from collections.abc import Callable
from typing import Any

from tests.factories.webhooks import DATA, PHONE, USER, build_text_message

CASES = int(os.environ.get("KREISFUNK_TEST_WEBHOOKS", "0"))
SAMPLES = [json.loads(path.read_bytes()) for path in sorted(DATA.glob("*.json"))]
VALUES: list[Any] = [
    None,
    True,
    0,
    -1,
    1e300,
    10**40,
    "",
    "ä" * 5000,
    "\ud83d",
    "\x00",
    PHONE,
    USER,
    "wamid.",
    "1794300000",
    [],
    [[]],
    {},
    {"id": PHONE},
    [{}],
    "messages",
    "whatsapp_business_account",
    "group",
    "hologram",
]
Place = tuple[Any, Any]


def build_mutation(number: int) -> bytes:
    chance = random.Random(number)
    webhook = json.loads(json.dumps(chance.choice(SAMPLES)))
    for _ in range(chance.randint(1, 4)):
        webhook = _apply_change(webhook, chance)
    body = json.dumps(webhook).encode()
    return _break_bytes(body, chance) if chance.random() < 0.2 else body


def build_crowded(number: int) -> bytes:
    """Return the case of this number, from webhooks with texts of several people, changed in a few places."""
    chance = random.Random(number)
    whole = json.loads(json.dumps(chance.choice(CROWDS)))
    whole["entry"] += json.loads(json.dumps(chance.choice(SAMPLES)))["entry"]
    for _ in range(chance.randint(1, 6)):
        if not isinstance(whole, dict):
            break
        whole = _apply_change(whole, chance)
    return json.dumps(whole).encode()


def _build_crowd(name: str) -> Any:
    """Return a webhook of two entries with two changes each, in which two people write in addition to the sample."""
    sample = json.loads((DATA / f"{name}.json").read_bytes())
    [entry] = sample["entry"]
    [change] = entry["changes"]
    for person in range(2):
        message = build_text_message(
            person, f"Stop {person}", context={"from": "4947919300", "id": "wamid.OUT1"}, errors=[]
        )
        change["value"].setdefault("messages", []).append(message)
    return {**sample, "entry": [{**entry, "changes": [change, change]}, entry]}


def _apply_change(webhook: Any, chance: random.Random) -> Any:
    places = _list_places(webhook)
    if not places:
        return chance.choice(VALUES)
    container, key = chance.choice(places)
    chance.choice(CHANGES)(container, key, chance)
    return webhook


def _list_places(part: Any) -> list[Place]:
    places: list[Place] = []
    _add_places(part, places)
    return places


def _add_places(part: Any, places: list[Place]) -> None:
    """Add to one list, as generators within generators take most of a run's time."""
    pairs = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    for key, value in pairs:
        places.append((part, key))
        _add_places(value, places)


def _replace(container: Any, key: Any, chance: random.Random) -> None:
    container[key] = copy.deepcopy(chance.choice(VALUES))


def _remove(container: Any, key: Any, chance: random.Random) -> None:
    del container[key]


def _wrap(container: Any, key: Any, chance: random.Random) -> None:
    container[key] = [container[key]] * chance.randint(1, 3) if chance.random() < 0.5 else {str(key): container[key]}


def _rename(container: Any, key: Any, chance: random.Random) -> None:
    if isinstance(container, dict):
        container[chance.choice(("moods", "statuses", "messages", "system", "field", "from"))] = container.pop(key)


def _copy_from_sample(container: Any, key: Any, chance: random.Random) -> None:
    other, place = chance.choice(_list_places(chance.choice(SAMPLES)))
    container[key] = json.loads(json.dumps(other[place]))


CHANGES: list[Callable[[Any, Any, random.Random], None]] = [
    _replace,
    _replace,
    _remove,
    _wrap,
    _rename,
    _copy_from_sample,
]


def _break_bytes(body: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(body))
    match chance.randrange(4):
        case 0:
            return body[:place]
        case 1:
            return body[:place] + chance.randbytes(chance.randint(1, 8)) + body[place:]
        case 2:
            return body[:place] + b"[" * chance.randint(1, 2000) + body[place:]
        case _:
            return body[place:] + body[:place]


CROWDS = [
    _build_crowd(name) for name in ("text", "status_sent", "reaction", "image", "errors_of_account", "preference_stop")
]

"""Loaded by schemathesis (SCHEMATHESIS_HOOKS): what it makes up becomes what the notices API may accept.

Its own values are right by the document and wrong by the county's rules: a source of nobody, a topic that is none, a
moment in the past, an id that it has used. With ours instead, what is accepted is tried out, too.
"""

from typing import Any

import schemathesis

from tests.harness.notices_api import data, event, soon
from tests.harness.notices_county import PRESS_SOURCE

ALLOWED = ("urgent", "action", "notice")


@schemathesis.hook
def map_body(context: schemathesis.HookContext, body: Any) -> Any:
    """Each event of a batch, or the only one."""
    if isinstance(body, list):
        return [_acceptable(one) for one in body]
    return _acceptable(body) if isinstance(body, dict) else body


def _acceptable(made_up: dict[str, Any]) -> dict[str, Any]:
    return _event(made_up) if "data" in made_up else _plain(made_up)


def _event(made_up: dict[str, Any]) -> dict[str, Any]:
    own = event(data=_content(made_up["data"]))
    wanted = ("id", "source", "expirytime", "data")
    return {**made_up, **{name: own[name] for name in wanted if name in made_up}}


def _plain(made_up: dict[str, Any]) -> dict[str, Any]:
    allowed = {name: value for name, value in made_up.items() if name in ALLOWED}
    moment = {"expires_at": soon()} if "expires_at" in made_up else {}
    return {**allowed, **moment, **_content(made_up), "source": PRESS_SOURCE}


def _content(made_up: dict[str, Any]) -> dict[str, Any]:
    """Build a text for citizens, and a revision as whole as JSON Schema lets it look."""
    revision = {"revision": int(made_up["revision"])} if "revision" in made_up else {}
    urgent = {"urgent": made_up["urgent"]} if "urgent" in made_up else {}
    return {**data(), **urgent, **revision} if "headline" in made_up else {"reason": "aufgehoben"}

"""One event for one system: what is wrong with it, without sending anything."""

from datetime import datetime

from shared.contracts.envelope import Envelope
from shared.contracts.events import Problem
from shared.municipal.configuration import Configuration
from shared.municipal.reading import Unreadable, read_event
from shared.municipal.rules import notice_problems, unreadable_problems
from shared.municipal.systems import System


def check(
    event: bytes | Envelope, system: System | None, configuration: Configuration, now: datetime
) -> tuple[Problem, ...]:
    """Every problem of one event of `system`; empty means that it can be accepted.

    The entry for whoever answers at once: the HTTP door, `kreisfunk publish --check`, an adapter. `event` is structured
    JSON, or an envelope that was read already. `system` is `configuration.system(name)` of whoever was authenticated;
    None is nobody, and is a problem. It is pure and needs neither database nor broker, so what only they know comes
    later with `notice.rejected`: that the id was used for another event, that the revision is not the next one or the
    notice was withdrawn, that `follows` names nothing, that a quota is used up. No problem repeats a value.
    """
    try:
        envelope = event if isinstance(event, Envelope) else read_event(event)
    except Unreadable as error:
        return unreadable_problems(error, system, configuration, now)
    return notice_problems(envelope, system, configuration, now)

"""One event for one system: what is wrong with it, without sending anything."""

from datetime import datetime

from shared.contracts.envelope import Envelope
from shared.contracts.events import Problem
from shared.notices.cloudevents import UnreadableEvent, read_event
from shared.notices.configuration import Configuration
from shared.notices.rules import validate_notice, validate_unreadable
from shared.notices.systems import System


def validate_event(
    event: bytes | Envelope, system: System | None, configuration: Configuration, now: datetime
) -> tuple[Problem, ...]:
    """Every problem of one event of `system`; empty means that it can be accepted.

    The entry for those who answer at once: the notices API, `kreisfunk publish --check`. `event` is structured
    JSON, or an envelope that was read already. `system` is `configuration.system(name)` of whoever was authenticated;
    None is nobody, and is a problem. It is pure and needs neither database nor broker, so what only they know comes
    later with `notice.rejected`: that the id was used for another event, that the revision is not the next one or the
    notice was withdrawn, that `follows` names nothing, that a quota is used up. No problem repeats a value.
    """
    try:
        envelope = event if isinstance(event, Envelope) else read_event(event)
    except UnreadableEvent as error:
        return validate_unreadable(error, system, configuration, now)
    return validate_notice(envelope, system, configuration, now)

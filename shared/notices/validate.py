"""Validation of one event of one system, without sending anything."""

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
    """Return every problem of one event of `system`; empty means that it can be accepted.

    Entry point for callers that answer at once: the notices API and `kreisfunk publish --check`. `event` is structured
    JSON, or an envelope that was read already. `system` is `configuration.find_system(name)` of the authenticated
    caller; None, for an unknown one, is a problem. The function is pure and needs neither database nor broker, so
    `notice.rejected` may still follow for what only they know: the id was used for another event, the revision is not
    the next one, the notice was withdrawn, `follows` names no notice, a quota is used up. No problem repeats a value.
    """
    try:
        envelope = event if isinstance(event, Envelope) else read_event(event)
    except UnreadableEvent as error:
        return validate_unreadable(error, system, configuration, now)
    return validate_notice(envelope, system, configuration, now)

"""Fingerprints that tell whether two events with one id are the same event."""

import hashlib

import msgspec

from shared.contracts.envelope import Envelope
from shared.contracts.events import Problem
from shared.contracts.notices import NoticeContent
from shared.notices.rules import read_notice

ID_REUSED = Problem(field="id", problem="was used for another event of this source; each event needs an id of its own")


def compute_fingerprint(envelope: Envelope) -> bytes:
    """Return a digest that is equal for the same event, however it is written or sent.

    Attributes added by the transport do not count.
    """
    moment = envelope.expirytime.timestamp() if envelope.expirytime else None
    try:
        notice = read_notice(envelope)
        scheduled = notice.scheduled_at if isinstance(notice, NoticeContent) else None
        plain = msgspec.structs.replace(notice, scheduled_at=None) if scheduled else notice
        said = msgspec.json.encode((plain, scheduled.timestamp() if scheduled else None))
    except (msgspec.MsgspecError, KeyError, RecursionError):
        said = bytes(envelope.data)
    parts = (envelope.type, envelope.subject, moment)
    return hashlib.sha256(msgspec.json.encode(parts) + said).digest()

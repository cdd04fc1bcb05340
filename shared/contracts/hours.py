"""When a broadcast may be sent, by the wall clock of its place."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo


def find_opening(opens: time, closes: time, zone: str, moment: datetime) -> datetime:
    """The next moment at or after `moment` that lies within the hours; they begin and end on the same day."""
    place = ZoneInfo(zone)
    local = moment.astimezone(place)
    if opens <= local.time() < closes:
        return moment
    day = local.date() + timedelta(days=1 if local.time() >= closes else 0)
    # In the hour that the clocks repeat, the later one counts, as PostgreSQL has it; in the missing hour, the earlier.
    repeated = datetime.combine(day, opens, tzinfo=place)
    missing = repeated.astimezone(UTC).astimezone(place).time() != opens
    return repeated.replace(fold=0 if missing else 1).astimezone(UTC)

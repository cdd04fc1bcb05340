"""Local time, and the permitted hours of a broadcast by it."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

LOCAL_ZONE = ZoneInfo("Europe/Berlin")


def find_opening(opens: time, closes: time, zone: str, moment: datetime) -> datetime:
    """Return the next time at or after `moment` within the hours, which begin and end on the same day."""
    place = ZoneInfo(zone)
    local = moment.astimezone(place)
    if opens <= local.time() < closes:
        return moment
    day = local.date() + timedelta(days=1 if local.time() >= closes else 0)
    # In the hour that the clocks repeat, the later one counts, as in PostgreSQL; in the missing hour, the earlier.
    repeated = datetime.combine(day, opens, tzinfo=place)
    missing = repeated.astimezone(UTC).astimezone(place).time() != opens
    return repeated.replace(fold=0 if missing else 1).astimezone(UTC)

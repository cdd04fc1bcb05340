"""Local time, and the permitted hours of a broadcast."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

LOCAL_ZONE = ZoneInfo("Europe/Berlin")


def find_opening(opens: time, closes: time, zone: str, moment: datetime) -> datetime:
    """Return the next time at or after `moment` within the hours, which begin and end on the same day."""
    zone_info = ZoneInfo(zone)
    local = moment.astimezone(zone_info)
    if opens <= local.time() < closes:
        return moment
    day = local.date() + timedelta(days=1 if local.time() >= closes else 0)
    # A time that the clock change repeats counts as the later one, as in PostgreSQL; a skipped one as the earlier one.
    opening = datetime.combine(day, opens, tzinfo=zone_info)
    is_skipped = opening.astimezone(UTC).astimezone(zone_info).time() != opens
    return opening.replace(fold=0 if is_skipped else 1).astimezone(UTC)

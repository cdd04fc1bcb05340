"""Local time, and the permitted hours of a broadcast."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

LOCAL_ZONE = ZoneInfo("Europe/Berlin")


def find_opening(opens: time, closes: time, zone: str, moment: datetime) -> datetime:
    """Return the next time at or after `moment` within the hours, which begin and end on the same day."""
    zone_info = ZoneInfo(zone)
    local = moment.astimezone(zone_info)
    if opens <= local.time() < closes:
        return moment
    day = local.date() + timedelta(days=1 if local.time() >= closes else 0)
    return _resolve(datetime.combine(day, opens), zone_info)


def find_turn(opens: time, closes: time, zone: str, moment: datetime, waited: timedelta) -> datetime:
    """Return the time after `waited` of permitted hours since `moment`."""
    zone_info, opening = ZoneInfo(zone), find_opening(opens, closes, zone, moment)
    local = opening.astimezone(zone_info).replace(tzinfo=None)
    begin = datetime.combine(local.date(), opens)
    days, rest = divmod(local - begin + waited, datetime.combine(date.min, closes) - datetime.combine(date.min, opens))
    return _resolve(begin + timedelta(days=days) + rest, zone_info) if days else opening.astimezone(UTC) + waited


def _resolve(local: datetime, zone: ZoneInfo) -> datetime:
    """Return the moment of a local time.

    One that the clock change repeats counts as the later one, as in PostgreSQL; a skipped one as the earlier one.
    """
    moment = local.replace(tzinfo=zone)
    is_skipped = moment.astimezone(UTC).astimezone(zone).time() != local.time()
    return moment.replace(fold=0 if is_skipped else 1).astimezone(UTC)

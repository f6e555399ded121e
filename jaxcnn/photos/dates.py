"""When a photo was taken, and how a user says since when.

Cameras note the time on the clock on the wall and seldom the zone. So all times here are that:
seconds from 1970-01-01 00:00 to what the clock showed, counted as if it had never been put forward
or back. A file's time is taken by the clock of this machine.
"""

import calendar
import datetime
import io
import re
import time

from jaxcnn.data.opening import open_image

_EXIF_FOLDER = 0x8769
_TAKEN, _CHANGED = 0x9003, 0x0132  # DateTimeOriginal, DateTime
_SPAN = re.compile(r"(\d+)\s*([dwmy])", re.IGNORECASE)
_DATES = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d", "%Y-%m", "%Y")


def taken_at(data: bytes, mtime_ns: int) -> tuple[int, bool]:
    """Find out when a photo was taken.

    Args:
      data: the encoded photo.
      mtime_ns: the file's time, nanoseconds since 1970 in UTC.

    Returns:
      Seconds by the clock on the wall, and whether EXIF data say so; else they are the file's.
    """
    noted = _noted_in(data)
    if noted is not None:
        return _seconds(noted), True
    try:
        return calendar.timegm(time.localtime(mtime_ns // 1_000_000_000)), False
    except (OverflowError, OSError, ValueError):  # a time that no calendar has
        return 0, False


def _noted_in(data: bytes) -> datetime.datetime | None:
    try:
        image = open_image(io.BytesIO(data))
        if image.format == "PNG" and b"eXIf" not in data:
            return None  # Pillow would decode all of it to look behind the pixels
        exif = image.getexif()
        texts = [exif.get_ifd(_EXIF_FOLDER).get(_TAKEN), exif.get(_CHANGED)]
    except Exception:  # noqa: BLE001 - a photo with broken EXIF data is still a photo
        return None
    return next(filter(None, map(_parse_exif, texts)), None)


def _parse_exif(text: object) -> datetime.datetime | None:
    try:
        return datetime.datetime.strptime(str(text)[:19], "%Y:%m:%d %H:%M:%S")
    except ValueError:  # such as 0000:00:00, of a camera whose clock was never set
        return None


def parse_since(text: str, *, now: datetime.datetime | None = None) -> int:
    """Read a date, or a span of time before now.

    Args:
      text: 2024-03-31, also with a time of day, 2024-03 or 2024; or 7d, 2w, 3m, 1y: that number of
        days, weeks, months or years ago.
      now: by the clock on the wall; None for this moment.

    Returns:
      Seconds by the clock on the wall.

    Raises:
      ValueError: if the text is neither.

    Example:
      >>> format_taken(parse_since("1m", now=datetime.datetime(2024, 3, 31, 12, 0)))
      '2024-02-29 12:00'
    """
    text = text.strip()
    if span := _SPAN.fullmatch(text):
        number, unit = int(span[1]), span[2].lower()
        return _seconds(_before(now or datetime.datetime.now(), number, unit, text))
    for form in _DATES:
        try:
            return _seconds(datetime.datetime.strptime(text, form))
        except ValueError:
            continue
    raise ValueError(
        f"{text!r} is no date; expected one such as 2024-03-31, 2024-03 or 2024, or a time ago "
        "such as 7d, 2w, 3m or 1y."
    )


def _before(now: datetime.datetime, number: int, unit: str, text: str) -> datetime.datetime:
    try:
        if unit in "dw":
            return now - datetime.timedelta(days=number * (7 if unit == "w" else 1))
        months = now.year * 12 + now.month - 1 - number * (12 if unit == "y" else 1)
        year, month = months // 12, months % 12 + 1
        day = min(now.day, calendar.monthrange(year, month)[1])
        return now.replace(year=year, month=month, day=day)
    except (OverflowError, ValueError):
        raise ValueError(f"{text!r} ago is before the calendar begins; give a date.") from None


def format_taken(taken: int) -> str:
    """Write a time as date, hour and minute; "" for one that no calendar has."""
    try:
        moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=taken)
    except OverflowError:
        return ""
    return moment.isoformat(" ", "minutes")


def _seconds(moment: datetime.datetime) -> int:
    return calendar.timegm(moment.timetuple())

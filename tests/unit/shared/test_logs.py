"""The net that catches personal data before a log line is written, and what it must let through."""

import base64
import json
import re
import subprocess
import sys
from collections.abc import Callable
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.paths import ROOT
from shared.runtime.logs import redact

DIGITS = st.text("0123456789", min_size=8, max_size=15)
FRAME = st.text(" ,;:()[]{}'\"=/ghijklmnopqrstuvwxyzäöü", max_size=10)


@given(before=FRAME, number=DIGITS, after=FRAME, plus=st.sampled_from(["", "+"]))
def test_a_phone_number_is_caught_in_any_text(before: str, number: str, after: str, plus: str) -> None:
    assert number not in str(redact(f"{before}{plus}{number}{after}"))


@given(before=FRAME, after=FRAME, tail=st.text("ABCdef0123456789", min_size=10, max_size=40))
def test_user_ids_and_wamids_are_caught_in_any_text(before: str, after: str, tail: str) -> None:
    redacted = str(redact(f"{before} DE.{tail} DE.ENT.{tail} wamid.{tail}=={after}"))
    assert tail not in redacted


def test_it_is_caught_at_any_depth_and_in_any_object() -> None:
    number = "491760406900001"
    nested = {"a": [{"b": (number, ValueError(number), {number})}], number: 1, "bytes": number.encode()}
    assert number not in str(redact(nested))


@pytest.mark.parametrize(
    "number",
    [
        "0151/1234567",
        "0151 1234567",
        "49-151-1234567",
        "+49 (0)151 / 12 34 56 7",
        "(04791) 9300-12",
        "0151.1234567",
        "0151.12.34.567",
        "+49.151.1234567",
        "+49.1511234567",
        "49.151.1234567",
        "0151\u00a01234567",
        "151 1234567",
        "151\u00a01234567",
        "49151–1234567",
        "4915112345678abc",
        491511234567,
        4915112345678.0,
    ],
)
def test_a_phone_number_is_caught_however_it_is_written(number: object) -> None:
    shown = json.dumps(redact({"to": number, "error": f"no number: {number}."}))
    assert not re.search(r"\d{3}", shown), shown


@given(before=st.text("abcXYZ0189_-", max_size=6), hidden=st.binary(max_size=4), number=DIGITS)
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_phone_number_in_base64_is_caught(
    encode: Callable[[bytes], bytes], before: str, hidden: bytes, number: str
) -> None:
    encoded = encode(hidden + number.encode()).decode()
    assert encoded.rstrip("=") not in str(redact(f"to {before}{encoded} failed"))


@pytest.mark.parametrize("value", [1, 12_345_678, 1.5, 12_345_678.9, float("inf"), True, None])
def test_numbers_that_are_counts_pass(value: object) -> None:
    assert redact(value) == value


@pytest.mark.parametrize(
    "text",
    [
        str(UUID(int=0x01A1CEE101D885E4ADA8F9FA054A7474)),
        "12345678-1234-8234-9234-123456789012",
        "event 01912345-6789-7012-8345-123456789012",
        "sha256 0123456789abcdef0123456789abcdef",
        "port 15672, 1234567 rows",
        "2026-11-12T08:30:15Z",
        "2026-11-12 08:30:15+01:00",
        "sperrung-2026-0418-1 at 127.0.0.1:54925",
        "/landkreis-osterholz/baustellen-software",
        "kreisfunk_strassensperrungen_v1",
        "49151123456780abcdef0123456789ab",
        "release 4.3.1, aio_pika 9.5.7, Python 3.14.2",
        "49.12.123.45:5671, 0.0.0.0/0 but 10.0.0.0/8, 0.0.0.0:8080",
        "took 0.1234567 s, +1.2345, 0:00:05.012345",
        "01.12.2026 08:30 to 02.12.2026, 08.30",
        "491.511.234,00 €, 49.151.123,45 €, 0.0712",
        "49.1234567, 8.7951234",
    ],
)
def test_ids_and_times_pass(text: str) -> None:
    assert redact(text) == text


PROGRAM = """
import logging

import structlog
from shared.runtime.logs import configure_logs

configure_logs(service="test", level="info")
log = structlog.get_logger()
log.debug("unseen")
log.info("seen", to="491760406900001", error=ValueError("DE.40100200300400500"), count=3)
try:
    raise ValueError("wamid.HBgPNDkxNzYwNDA2OTAwMDAxFQIAERgS")
except ValueError:
    log.exception("failed")
    logging.getLogger("aio_pika").exception("failed for %s", "+491760406900001")
try:
    raise ValueError("no place for \\x9b31m \\u202e \\udcff")
except ValueError as error:
    log.exception("hostile", said="\\x1b[2J \\x85 \\ud83d", errors=[str(error)])
logging.getLogger("aio_pika").info("frames")
logging.getLogger("aio_pika").warning("count %d", 3)
"""


def test_every_line_of_a_process_is_json_and_nothing_personal_is_in_it() -> None:
    finished = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    lines = [json.loads(line) for line in finished.stderr.splitlines()]
    assert [line["event"] for line in lines] == ["seen", "failed", "failed for [redacted]", "hostile", "count 3"]
    assert [line["level"] for line in lines] == ["info", "error", "error", "error", "warning"]
    assert {line["service"] for line in lines} == {"test"}
    assert lines[0]["count"] == 3
    assert "ValueError" in lines[1]["exception"]
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", finished.stderr), "a terminal obeys it"
    assert "4917604069" not in finished.stderr
    assert "wamid." not in finished.stderr
    assert "DE.4010" not in finished.stderr
    assert finished.stdout == ""

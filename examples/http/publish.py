"""Publishes one notice over HTTP and prints its progress until its end. Needs Python 3.11 and nothing else.

KREISFUNK_URL is the address and KREISFUNK_TOKEN the token that the operator gave you.
"""

import json
import os
import sys
import time
import uuid
from datetime import UTC, datetime, timedelta
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import Request, urlopen

URL = os.environ["KREISFUNK_URL"].rstrip("/")
AUTHORIZATION = {"Authorization": f"Bearer {os.environ['KREISFUNK_TOKEN']}"}
RETRY_STATUSES = {408, 429, 500, 502, 503, 504}
ATTEMPTS = 8
FINAL_STATES = {"finished", "rejected", "cancelled", "done"}


def publish(body: bytes, key: str) -> str:
    """Return the path of its progress. Repeats the request with the same key until answered: nothing is sent twice."""
    headers = {**AUTHORIZATION, "Content-Type": "application/json", "Idempotency-Key": key}
    for attempt in range(1, ATTEMPTS + 1):
        pause = min(2**attempt, 60)
        try:
            with urlopen(Request(f"{URL}/notices", body, headers), timeout=30) as answer:
                return str(answer.headers["Location"])
        except HTTPError as error:
            if error.code not in RETRY_STATUSES or attempt == ATTEMPTS:
                sys.exit(error.read().decode())  # names each wrong field and what would be right
            pause = int(error.headers.get("Retry-After", pause))
        except (OSError, HTTPException):
            if attempt == ATTEMPTS:
                raise
        time.sleep(pause)
    raise AssertionError


def watch(location: str) -> str:
    """Print each change and return the final state.

    Each stream ends, at a restart or after an hour: then open another, which begins with the current state.
    """
    state = ""
    headers = {**AUTHORIZATION, "Accept": "text/event-stream"}
    while state not in FINAL_STATES:
        try:
            with urlopen(Request(URL + location, headers=headers), timeout=60) as stream:
                for line in stream:
                    if line.startswith(b"data: "):
                        change = json.loads(line[6:])
                        state = change["state"]
                        print(json.dumps(change, ensure_ascii=False), flush=True)
        except HTTPError as error:
            if error.code not in RETRY_STATUSES:
                sys.exit(error.read().decode())
        except (OSError, HTTPException):
            pass  # it is being restarted
        time.sleep(0 if state in FINAL_STATES else 2)
    return state


# Your own id of the notice. Store it with the body: to repeat a request, repeat exactly this one.
notice = sys.argv[1] if len(sys.argv) > 1 else f"sperrung-{uuid.uuid4()}"
content = {
    "notice": notice,
    "expires_at": (datetime.now(UTC) + timedelta(hours=12)).isoformat(),
    "topic": "strassensperrungen",
    "headline": "Vollsperrung K 9",
    "text": "Die Umleitung ist ausgeschildert.",
}
sys.exit(3 if watch(publish(json.dumps(content).encode(), f"{notice}-1")) == "rejected" else 0)

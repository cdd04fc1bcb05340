"""Output about a watched event, and the addresses that get a token."""

from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest

from cli.publish.notices_api import encode_request
from cli.publish.results import compute_exit_status, count_handled, format_line
from services.ingress.notices.progress import apply_message
from shared.contracts.envelope import encode
from shared.contracts.events import (
    BroadcastFinished,
    BroadcastProgressed,
    NoticeAccepted,
    NoticeAction,
    NoticeRejected,
    Problem,
)
from shared.contracts.message import Message
from shared.contracts.notices import NoticePublished
from shared.contracts.notices_http import EventProgress, start_progress
from shared.runtime.settings import normalize_url

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
OURS = UUID(int=1)


def event(source: str = "/x") -> bytes:
    content = NoticePublished(topic="baustellen", headline="K 9", text="Gesperrt.")
    return encode(content, event_id="e", source=source, time=NOW, subject="n", expirytime=NOW)


def build_progress(*messages: Message) -> EventProgress:
    """Return what is known of an event once these messages about it have come."""
    known = start_progress("/x", "e", "n", NOW)
    for message in messages:
        known = apply_message(message, known, NOW)
    return known


ACCEPTED = NoticeAccepted(source="/x", event="e", notice="n", revision=1, broadcast=OURS, audience=3)


def progressed(states: dict[str, int], audience: int | None = 3, limited: int = 0) -> BroadcastProgressed:
    return BroadcastProgressed(broadcast=OURS, audience=audience, states=states, person_limited=limited)


def test_a_line_says_how_far_it_is() -> None:
    assert format_line(build_progress(ACCEPTED)) == f"accepted: notice n revision 1, broadcast {OURS}, 3 people"
    heard = build_progress(ACCEPTED, progressed({"waiting": 1, "claimed": 1, "read": 1}, None))
    assert (count_handled(heard), format_line(heard)) == (1, "sending: notice n, 1 of ?")


def test_a_line_says_who_waits_for_metas_limit_for_one_person_as_long_as_they_do() -> None:
    lines = [
        format_line(build_progress(ACCEPTED, progressed({"waiting": 2, "read": 1}, limited=limited)))
        for limited in range(3)
    ]
    begin = "sending: notice n, 1 of 3"
    assert lines == [
        begin,
        f"{begin}; 1 waits for Meta's limit for one person",
        f"{begin}; 2 wait for Meta's limit for one person",
    ]


def test_a_rejection_has_a_line_for_each_field() -> None:
    problems = (Problem(field="topic", problem="unknown"),)
    heard = build_progress(NoticeRejected(source="/x", event="e", problems=problems))
    assert format_line(heard) == "rejected: notice n\n  topic: unknown"


@pytest.mark.parametrize(
    ("audience", "states", "status"),
    [
        (3, {"read": 1, "failed": 2}, 0),
        (3, {"unknown": 1, "failed": 2}, 0),
        (3, {"failed": 2, "expired": 1}, 1),
        (0, {}, 6),
    ],
)
def test_what_has_reached_nobody_has_not_ended_well(audience: int, states: dict[str, int], status: int) -> None:
    finished = BroadcastFinished(broadcast=OURS, audience=audience, states=states)
    assert compute_exit_status(build_progress(ACCEPTED, finished)) == status


@pytest.mark.parametrize(("revision", "status", "word"), [(2, 0, "done"), (0, 6, "not withdrawn")])
def test_a_withdrawal_of_nothing_has_not_ended_well(revision: int, status: int, word: str) -> None:
    withdrawal = NoticeAccepted(source="/x", event="e", notice="n", revision=revision, action=NoticeAction.WITHDRAWN)
    heard = build_progress(withdrawal)
    assert compute_exit_status(heard) == status
    assert format_line(heard) == f"{word}: notice n"


def test_without_a_source_an_event_is_written_as_plain_json_with_its_id_as_key() -> None:
    plain, headers = encode_request(event(source=""))
    assert headers == {"Content-Type": "application/json", "Idempotency-Key": "e"}
    assert b'"notice":"n"' in plain
    assert encode_request(event()) == (event(), {"Content-Type": "application/cloudevents+json"})


@pytest.mark.parametrize("wrong", [{"id": 7}, {"id": "ü"}, {"data": []}, {"type": []}, {"type": "x"}], ids=str)
def test_what_is_no_event_of_ours_is_sent_as_it_is_to_be_rejected(wrong: dict[str, object]) -> None:
    body = msgspec.json.encode({**msgspec.json.decode(event(source="")), **wrong})
    assert encode_request(body)[0] == body


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("https://kreisfunk.example/notices/", "https://kreisfunk.example"),
        ("https://kreisfunk.example/kreisfunk/", "https://kreisfunk.example/kreisfunk"),
        ("http://127.0.0.1:8081", "http://127.0.0.1:8081"),
        ("http://[::1]:8081", "http://[::1]:8081"),
        ("http://ingress:8081", "http://ingress:8081"),
        ("http://10.1.2.3", "http://10.1.2.3"),
    ],
)
def test_an_address_is_taken_as_people_write_it(text: str, address: str) -> None:
    assert normalize_url(text) == address


@pytest.mark.parametrize(
    "text",
    [
        "http://kreisfunk.example",
        "http://203.0.114.9",
        "ftp://x",
        "kreisfunk.example",
        "https://a:b@x.example",
        "https://",
    ],
)
def test_an_address_that_would_show_the_token_or_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="https"):
        normalize_url(text)

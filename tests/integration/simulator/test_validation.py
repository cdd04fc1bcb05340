"""Each rule for a single message, at its limit and beyond it."""

from typing import Any

import pytest

from tests.harness.simulator import OWN_NUMBER, SimulatorHarness, build_template

Body = dict[str, Any]


def interactive(**changes: Any) -> Body:
    buttons = [{"type": "reply", "reply": {"id": "t:all", "title": "Alle Themen"}}]
    body = {"type": "button", "body": {"text": "Welche Themen?"}, "action": {"buttons": buttons}}
    return {"type": "interactive", "interactive": body | changes}


def listing(rows: list[Body]) -> Body:
    action = {"button": "Themen", "sections": [{"title": "Themen", "rows": rows}]}
    return interactive(type="list", action=action)


def buttons(*titles: str) -> Body:
    replies = [{"type": "reply", "reply": {"id": f"b{at}", "title": title}} for at, title in enumerate(titles)]
    return interactive(action={"buttons": replies})


@pytest.mark.parametrize(
    ("changes", "code", "status"),
    [
        ({"messaging_product": "telegram"}, 100, 400),
        ({"text": 5}, 100, 400),
        ({"text": {"body": "x" * 4097}}, 100, 400),
        ({"biz_opaque_callback_data": "x" * 513}, 100, 400),
        ({"to": None}, 131008, 400),
        ({"text": {"body": ""}}, 131008, 400),
        ({"text": None}, 131008, 400),
        ({"type": "template"}, 131008, 400),
        ({"type": "interactive"}, 131008, 400),
        ({"to": "DE.40100200300000000"}, 131009, 400),
        ({"to": None, "recipient": "12345"}, 131009, 400),
        ({"recipient_type": "group"}, 131009, 400),
        (interactive(type="flow"), 131009, 400),
        (interactive(body={"text": ""}), 131008, 400),
        (interactive(body={"text": "x" * 1025}), 131009, 400),
        (interactive(footer={"text": "x" * 61}), 100, 400),
        (interactive(header={"type": "text", "text": "x" * 61}), 100, 400),
        (buttons(), 131009, 400),
        (buttons("a", "b", "c", "d"), 131009, 400),
        (buttons("x" * 21), 131009, 400),
        (buttons("gleich", "gleich"), 131009, 400),
        (listing([]), 131009, 400),
        (listing([{"id": str(at), "title": str(at)} for at in range(11)]), 131009, 400),
        (listing([{"id": "a", "title": "x" * 25}]), 131009, 400),
        (listing([{"id": "a" * 201, "title": "x"}]), 131009, 400),
        (listing([{"id": "a", "title": "x", "description": "x" * 73}]), 100, 400),
        (listing([{"id": "a", "title": "x"}, {"id": "a", "title": "y"}]), 131009, 400),
        ({"to": f"+{OWN_NUMBER}"}, 131021, 400),
        ({"to": "+491760406999999"}, 131026, 400),
        ({"to": None, "recipient": "DE.99"}, 131026, 400),
        ({"type": "image", "image": {"link": "https://example.org/a.png"}}, 131051, 400),
        (build_template(extra="zu viel"), 132000, 400),
        (build_template("gibt_es_nicht_v1"), 132001, 404),
        (build_template(text="x" * 1000), 132005, 400),
        (build_template(text="Zeile\nZeile"), 132018, 400),
        (build_template("x" * 513), 100, 400),
        ({"type": "template", "template": {"name": "kreisfunk_stellen_v1"}}, 131008, 400),
    ],
)
async def test_what_meta_refuses_is_refused_with_its_code(
    harness: SimulatorHarness, changes: Body, code: int, status: int
) -> None:
    citizen = await harness.add_writer()
    answered, answer = await harness.send(citizen["phone"], **changes)
    assert (answered, answer["error"]["code"]) == (status, code)
    assert set(answer["error"]) == {"message", "type", "code", "error_data", "fbtrace_id"}
    assert answer["error"]["message"].startswith(f"(#{code}) ")
    account = await harness.fetch_account()
    assert (account["accepted"], account["rejected"]) == (0, {str(code): 1})


@pytest.mark.parametrize(
    "changes",
    [
        interactive(header={"type": "text", "text": "x" * 60}, footer={"text": "x" * 60}),
        buttons("x" * 20, "b", "c"),
        listing([{"id": "a" * 200, "title": "x" * 24, "description": "x" * 72}]),
        {"text": {"body": "x" * 4096}, "biz_opaque_callback_data": "x" * 512},
    ],
)
async def test_what_just_fits_is_accepted(harness: SimulatorHarness, changes: Body) -> None:
    citizen = await harness.add_writer()
    status, answer = await harness.send(citizen["phone"], **changes)
    assert (status, set(answer)) == (200, {"messaging_product", "contacts", "messages"})

"""Acts of operators and leads on sending: by functions of the ledger, with a reason, and on record."""

import json
from uuid import uuid4

import aio_pika
import asyncpg
import pytest

from services.newsroom.adapters.sending_control import PostgresSendingControl
from services.newsroom.domain.sending import WAIT_NAMES
from shared.amqp.topology import QUARANTINE
from tests.harness.ledger_rows import TEMPLATE, add_expansion, add_sent_broadcast, count_states
from tests.harness.newsroom import EditorBrowser, NewsroomProcess, ShownPage
from tests.harness.writing import WritingHarness, add_broadcast, become_broadcast, parse_draft_id
from tests.servers import fetch_until

NEWSROOM = "kreisfunk_newsroom"
PERMITTED = {
    "dispatcher": {
        "list_stops",
        "read_limits",
        "count_waiting",
        "list_template_pauses",
        "list_template_reports",
        "pause_broadcast",
        "resume_broadcast",
        "cancel_broadcast",
        "resend_failed",
        "pause_sending",
        "resume_sending",
        "resume_template",
    },
    "subscriptions": {"count_dead_letters", "replay_dead_letters", "cancel_expansion", "offer_trial"},
}
_DEFINERS = """
select n.nspname, p.proname from pg_proc p join pg_namespace n on n.oid = p.pronamespace
where p.prosecdef and n.nspname in ('dispatcher', 'subscriptions') and has_function_privilege($1, p.oid, 'execute')
"""


async def act(browser: EditorBrowser, path: str, reason: str = "Übung", **fields: str) -> ShownPage:
    """Open the page that asks, and press its button."""
    shown = await browser.open(path)
    assert shown.status == 200, shown.text
    return await browser.send(path.partition("?")[0], {"reason": reason, **fields}, csrf=shown.csrf)


async def read_acts(owner: asyncpg.Connection, subject: object) -> list[tuple[str, dict[str, str]]]:
    rows = await owner.fetch("select action, detail from newsroom.audit where object = $1 order by id", str(subject))
    return [(row["action"], json.loads(row["detail"])) for row in rows]


async def test_the_newsroom_may_call_these_functions_and_no_others(newsroom: NewsroomProcess) -> None:
    found: dict[str, set[str]] = {}
    for row in await newsroom.owner.fetch(_DEFINERS, NEWSROOM):
        found.setdefault(row["nspname"], set()).add(row["proname"])
    assert found == PERMITTED


async def test_a_broadcast_is_paused_resumed_and_cancelled(operator: EditorBrowser) -> None:
    broadcast = await add_sent_broadcast(operator.owner, {"waiting": 2, "delivered": 1})
    path = f"/aussendungen/{broadcast}"
    refused = await act(operator, f"{path}/fortsetzen")
    assert (refused.status, "nicht angehalten" in refused.text) == (422, True)
    assert (await act(operator, f"{path}/anhalten", "Falsche Uhrzeit")).location == f"{path}?erledigt=anhalten"
    shown = await operator.open(f"{path}?erledigt=anhalten")
    for words in ("Die Aussendung ist angehalten.", "Grund: Falsche Uhrzeit", f"{path}/fortsetzen", "angehalten"):
        assert words in shown.text
    assert f"{path}/anhalten" not in shown.text
    assert (await act(operator, f"{path}/fortsetzen")).status == 303
    assert "Falsche Uhrzeit" not in await operator.read(path)
    assert (await act(operator, f"{path}/beenden")).status == 303
    await operator.owner.execute("update newsroom.broadcast set states = '{\"cancelled\": 3}' where id = $1", broadcast)
    for page in (path, f"{path}/nachweis"):
        assert "Die Meldung wurde vorher zurückgezogen, korrigiert oder beendet." in await operator.read(page)
    assert "beendet, bevor alle sie hatten" in await operator.read(path)
    for again in ("anhalten", "fortsetzen", "beenden"):
        refused = await act(operator, f"{path}/{again}")
        assert (refused.status, "schon beendet" in refused.text) == (422, True), again
    assert await read_acts(operator.owner, broadcast) == [
        ("broadcast.paused", {"reason": "Falsche Uhrzeit"}),
        ("broadcast.resumed", {"reason": "Übung"}),
        ("broadcast.cancelled", {"reason": "Übung"}),
    ]


async def test_nobody_resumes_sending_on_a_restored_database_before_its_keys_are_confirmed(
    operator: EditorBrowser,
) -> None:
    await operator.owner.execute("select dispatcher.pause_sending('restored', null)")
    await operator.owner.execute("insert into dispatcher.restore (lost_at, saved_at) values (now(), now())")
    refused = await act(operator, "/betrieb/versand-fortsetzen")
    assert (refused.status, "kreisfunk keys status" in refused.text) == (422, True)
    await operator.owner.execute("select dispatcher.confirm_keys()")
    assert await operator.owner.fetchval("select dispatcher.resume_sending(null)") == 1


@pytest.mark.parametrize("is_begun", [True, False])
async def test_what_is_ended_is_no_longer_expanded(operator: EditorBrowser, is_begun: bool) -> None:
    if is_begun:
        broadcast = await add_sent_broadcast(operator.owner, {"waiting": 1})
    else:
        broadcast = await add_broadcast(operator.owner, states="{}", started_at=None)
    page = await operator.read(f"/aussendungen/{broadcast}")
    assert (f"/aussendungen/{broadcast}/beenden" in page, f"/aussendungen/{broadcast}/anhalten" in page) == (
        True,
        is_begun,
    )
    await add_expansion(operator.owner, broadcast)
    assert (await act(operator, f"/aussendungen/{broadcast}/beenden", "steckt fest")).status == 303
    stored = await operator.owner.fetchrow("select state, reason from subscriptions.broadcast where id = $1", broadcast)
    assert stored is not None
    assert tuple(stored) == ("cancelled", "steckt fest")


async def test_whatever_a_message_may_wait_for_has_a_german_name(newsroom: NewsroomProcess) -> None:
    causes = await newsroom.owner.fetch("select unnest(enum_range(null::dispatcher.wait_cause))::text as cause")
    assert {row["cause"] for row in causes} == set(WAIT_NAMES)


async def test_what_is_ended_before_its_first_page_is_shown_as_ended_and_holds_no_budget(
    newsroom: NewsroomProcess, operator: EditorBrowser
) -> None:
    """The ledger never hears of its recipients, and so never tells of its end."""
    await newsroom.owner.execute("update dispatcher.rate set messages_a_month = 1000")
    left = await read_left(newsroom)
    broadcast = await add_broadcast(newsroom.owner, audience=400, states="{}", started_at=None)
    assert await read_left(newsroom) == left - 400
    await newsroom.owner.execute("select dispatcher.cancel_broadcast($1, 'steckt fest', true)", broadcast)
    assert "beendet, bevor alle sie hatten" in await operator.read(f"/aussendungen/{broadcast}")
    assert await read_left(newsroom) == left


async def read_left(newsroom: NewsroomProcess) -> int:
    """Return what is left of this month's budget."""
    async with newsroom.database.open_pool(NEWSROOM, size=1) as pool:
        budget = await PostgresSendingControl(pool).read_budget()
    assert budget is not None
    return budget.left


async def test_who_failed_gets_it_again_and_nobody_else(operator: EditorBrowser, approver: WritingHarness) -> None:
    """Sending again is sending: operating gives no right to it."""
    broadcast = await add_sent_broadcast(operator.owner, {"failed": 2, "delivered": 3, "unknown": 1})
    await operator.owner.execute(
        "update newsroom.broadcast set states = $2, failures = $3 where id = $1",
        *(broadcast, '{"failed": 2, "delivered": 3, "unknown": 1}'),
        '[{"reason": "nicht zustellbar", "recipients": 2, "code": 131026}]',
    )
    path = f"/aussendungen/{broadcast}"
    assert (await operator.open(f"{path}/nachsenden")).status == 403
    assert f"{path}/nachsenden" not in await operator.read(path)
    page = await approver.read(path)
    assert "Code 131026" in page
    assert f"{path}/anhalten" not in page
    assert "nicht zustellbar" in await approver.read(f"{path}/nachsenden")
    assert (await act(approver.browser, f"{path}/nachsenden", "WhatsApp war gestört")).status == 303
    assert await count_states(operator.owner, broadcast) == {"waiting": 2, "delivered": 3, "unknown": 1}
    again = await act(approver.browser, f"{path}/nachsenden")
    assert (again.status, "niemanden" in again.text) == (422, True)
    assert await read_acts(operator.owner, broadcast) == [
        ("broadcast.resent", {"reason": "WhatsApp war gestört", "people": "2"})
    ]
    table = await approver.read(f"{path}/nachweis.csv")
    assert "nicht erreicht: nicht zustellbar;2" in table


async def test_no_act_without_a_reason_or_for_what_is_not_there(operator: EditorBrowser) -> None:
    broadcast = await add_sent_broadcast(operator.owner, {"waiting": 1})
    refused = await act(operator, f"/aussendungen/{broadcast}/anhalten", "  ")
    assert (refused.status, "Grund" in refused.text) == (422, True)
    long = await act(operator, f"/aussendungen/{broadcast}/anhalten", "x" * 201)
    assert (long.status, "200 Zeichen" in long.text) == (422, True)
    assert await operator.owner.fetchval("select dispatcher.standing($1)", broadcast) == "running"
    planned = await add_broadcast(operator.owner)
    early = await act(operator, f"/aussendungen/{planned}/anhalten")
    assert (early.status, "noch nicht begonnen" in early.text) == (422, True)
    for identifier in (uuid4(), "x"):
        assert (await operator.open(f"/aussendungen/{identifier}/anhalten")).status == 404
    assert await read_acts(operator.owner, broadcast) == []


async def test_all_sending_is_paused_and_resumed_with_a_way_out(operator: EditorBrowser, anna: WritingHarness) -> None:
    broadcast = await add_sent_broadcast(anna.owner, {"waiting": 3})
    await fetch_until(lambda: operator.read("/betrieb"), lambda shown: "Der Versand läuft." in shown)
    assert (await act(operator, "/betrieb/versand-anhalten", "Falscher <b>Text")).status == 303
    again = await act(operator, "/betrieb/versand-anhalten", "Wartung")
    assert (again.status, "schon angehalten" in again.text) == (422, True)
    shown = await operator.read("/betrieb")
    for words in (
        "Grund: Falscher &lt;b&gt;Text",
        "bis ihn jemand fortsetzt",
        "/betrieb/versand-fortsetzen",
        "von 1.000",
    ):
        assert words in shown
    planned = await add_broadcast(anna.owner, states="{}", started_at=None)
    for each in (broadcast, planned):
        page = await operator.read(f"/aussendungen/{each}")
        assert page.count("Der gesamte Versand ist angehalten.") == 1
    check = await anna.read(f"{await anna.begin()}/pruefung")
    assert "Der Versand ist zurzeit angehalten (Falscher &lt;b&gt;Text)" in check
    assert (await act(operator, "/betrieb/versand-fortsetzen", subject="Meldung von Anna")).status == 303
    refused = await act(operator, "/betrieb/versand-fortsetzen")
    assert (refused.status, "nicht angehalten" in refused.text) == (422, True)
    acts = await read_acts(anna.owner, "Versand")
    assert acts == [("sending.paused", {"reason": "Falscher <b>Text"}), ("sending.resumed", {"reason": "Übung"})]
    log = await operator.read("/protokoll")
    assert "gesamten Versand angehalten" in log


async def test_while_nothing_is_sent_nothing_is_due(operator: EditorBrowser) -> None:
    await add_sent_broadcast(operator.owner, {"waiting": 3})
    told = ("auf nichts: gleich an der Reihe", "bis der Versand wieder möglich ist")
    shown = await operator.read("/betrieb")
    assert [words in shown for words in told] == [True, False]
    await operator.owner.execute("select dispatcher.pause_sending('Übung', null)")
    shown = await operator.read("/betrieb")
    await operator.owner.execute("select dispatcher.resume_sending(null)")
    assert [words in shown for words in told] == [False, True]


def read_report(page: str, template: str) -> list[str]:
    """State and quality, as the page says them."""
    return page.split(f">{template}</strong> ")[1].split("</li>")[0].split("; Qualität: ")


async def test_what_meta_says_of_each_template_is_shown(operator: EditorBrowser) -> None:
    configured = "kreisfunk_stellen_v1/de"
    nothing = ["in Gebrauch; Meta hat noch nichts gemeldet", "noch nichts gemeldet"]
    assert read_report(await operator.read("/betrieb"), configured) == nothing
    await operator.owner.executemany(
        "insert into dispatcher.account_update values ($1, '2026-11-25 12:00Z', $2)",
        [
            (f"template {configured}", "accepted"),
            (f"quality {configured}", "YELLOW"),
            ("template other/de", "von Meta angehalten"),
            ("people a day", "2000"),
        ],
    )
    try:
        page = await operator.read("/betrieb")
        assert "people a day" not in page
        moment = "(25.11.2026, 13:00 Uhr)"
        assert read_report(page, configured) == [
            f"von Meta angenommen {moment}",
            f"mittel: Viele blockieren oder melden sie {moment}",
        ]
        assert read_report(page, "other/de")[0] == f"von Hand freigegeben, zuletzt von Meta angehalten {moment}"
        await operator.owner.execute("insert into dispatcher.template_pause values ('other/de', 'von Meta angehalten')")
        assert read_report(await operator.read("/betrieb"), "other/de")[0] == f"angehalten {moment}"
    finally:
        await operator.owner.execute("delete from dispatcher.template_pause")


async def test_a_template_is_resumed(operator: EditorBrowser) -> None:
    broadcast = await add_sent_broadcast(operator.owner, {"waiting": 1})
    await operator.owner.execute("insert into dispatcher.template_pause values ($1, 'quality')", TEMPLATE)
    shown = await operator.read("/betrieb")
    assert "/betrieb/vorlage-freigeben?was=notice%2Fde" in shown
    assert "Vorlage dieser Meldung" in await operator.read(f"/aussendungen/{broadcast}")
    asked = await operator.open("/betrieb/vorlage-freigeben?was=notice%2Fde")
    subject = asked.read_value("subject")
    assert (await act(operator, "/betrieb/vorlage-freigeben", subject=subject)).status == 303
    assert (await act(operator, "/betrieb/vorlage-freigeben", subject=subject)).status == 422
    assert await read_acts(operator.owner, TEMPLATE) == [("template.resumed", {"reason": "Übung"})]
    assert "Keine Vorlage ist angehalten." in await operator.read("/betrieb")


async def test_what_was_left_behind_is_counted_and_handled_again(operator: EditorBrowser, vhost: str) -> None:
    await operator.owner.execute(
        "insert into subscriptions.dead_letter (id, reason, body_sealed, senders) values ($1, 'x', '', '{}')", uuid4()
    )
    async with await aio_pika.connect(vhost) as connection:
        channel = await connection.channel()
        await channel.default_exchange.publish(aio_pika.Message(b"?"), QUARANTINE)
        await fetch_until(lambda: operator.read("/betrieb"), lambda found: QUARANTINE in found)
    assert (await act(operator, "/betrieb/erneut-verarbeiten")).status == 303
    assert await operator.owner.fetchval("select count(replay_at) from subscriptions.dead_letter") == 1
    assert "1 davon wird noch einmal verarbeitet" in await operator.read("/betrieb")


async def test_a_system_is_listed_with_its_last_notice(operator: EditorBrowser) -> None:
    await add_broadcast(operator.owner, source="/landkreis-osterholz/pressestelle")
    shown = await operator.read("/betrieb")
    row = shown.split('scope="row">pressestelle</th>')[1].split("</tr>")[0]
    assert "Uhr" in row
    assert "noch keine" in shown.split('scope="row">feeds</th>')[1].split("</tr>")[0]


async def test_a_notice_on_its_way_is_in_the_list_and_the_list_follows_it(
    newsroom: NewsroomProcess, anna: WritingHarness, approver: WritingHarness
) -> None:
    """Nobody answers at the notices API here."""
    headline = f"K {uuid4().hex[:6]} gesperrt"
    path = await anna.begin(headline=headline)
    assert headline not in await anna.read("/aussendungen")
    async with anna.browser.session.get(f"{newsroom.url}/aussendungen/strom") as stream:
        await stream.content.readuntil(b"\n\n")
        await anna.publish(approver, path)
        told = ""
        while headline not in told:
            told = (await stream.content.readuntil(b"\n\n")).decode()
    shown = await anna.read("/aussendungen")
    for page in (told, shown):
        assert "wird veröffentlicht" in page.split(headline)[1].split("</li>")[0]
    assert path in shown
    await become_broadcast(newsroom.owner, path, headline=headline)
    await newsroom.owner.execute(
        "update newsroom.publication set state = 'accepted', answered_at = now() where draft = $1", parse_draft_id(path)
    )
    assert "wird veröffentlicht" not in await anna.read("/aussendungen")

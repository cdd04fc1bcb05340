"""Nobody gets in, or gets anything done, but those whose page it is: every page is tried."""

import asyncio
import re
from collections.abc import AsyncIterator
from urllib.parse import quote
from uuid import uuid4

import pytest
from yarl import URL

from services.newsroom.domain.accounts import RIGHTS, Right, Role
from services.newsroom.http.app import PAGES
from services.newsroom.http.guard import MAX_BODY_BYTES
from services.newsroom.http.web_pages import Audience, WebPage
from tests.harness.newsroom import ALL_ROLES, SAME_ORIGIN, EditorBrowser, Member, NewsroomProcess, ShownPage
from tests.servers import wait_for

_PARAMETER = re.compile(r"\{\w+\}")
NOBODY = "00000000-0000-4000-8000-000000000000"


def build_path(page: WebPage) -> str:
    """The path with something that fits in the place of each parameter, and is nothing."""
    return _PARAMETER.sub(NOBODY, page.path)


GUARDED = [page for page in PAGES if page.audience is not Audience.EVERYBODY]
FORMS = [page for page in PAGES if page.method == "POST"]
READ = {page.path for page in PAGES if page.method == "GET"}
FORM_MEDIA = "application/x-www-form-urlencoded"


def name_page(page: WebPage) -> str:
    return f"{page.method} {page.path}"


async def visit(browser: EditorBrowser, page: WebPage, csrf: str) -> ShownPage:
    """Open the page, or send its form."""
    path = build_path(page)
    return await (browser.open(path) if page.method == "GET" else browser.send(path, csrf=csrf))


def test_there_are_pages_of_all_kinds_each_of_which_is_read_or_changes_something() -> None:
    assert len(FORMS) > 10
    assert {type(page.audience) for page in GUARDED} == {Right, Audience}
    assert {page.method for page in PAGES} == {"GET", "POST"}


@pytest.mark.parametrize("page", GUARDED, ids=name_page)
async def test_nobody_gets_in_without_a_session(page: WebPage, stranger: EditorBrowser) -> None:
    found = await visit(stranger, page, csrf="0123456789abcdef0123456789abcdef")
    assert (found.status, found.location.partition("?")[0]) == (303, "/anmelden")


@pytest.mark.parametrize("page", [page for page in FORMS if page.path not in READ], ids=name_page)
async def test_what_changes_something_is_not_reached_by_reading(page: WebPage, browser: EditorBrowser) -> None:
    found = await browser.open(build_path(page))
    assert (found.status, found.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize("role", [*Role, None])
async def test_each_role_gets_where_its_rights_lead_and_nowhere_else(
    role: Role | None, newsroom: NewsroomProcess
) -> None:
    """Whoever has none gets nowhere."""
    rights = RIGHTS[role] if role else frozenset()
    async with newsroom.open_as(*([role] if role else [])) as opened:
        csrf = (await opened.open("/profil")).csrf
        wrong = []
        for page in PAGES:
            if isinstance(page.audience, Right):
                found = await visit(opened, page, csrf)
                is_let_in = "Dafür fehlt Ihrem Konto das Recht" not in found.text
                if is_let_in != (page.audience in rights) or (not is_let_in and found.status != 403):
                    wrong.append((name_page(page), found.status))
    assert wrong == []


@pytest.mark.parametrize("page", [page for page in FORMS if page.audience is not Audience.SETTING_UP], ids=name_page)
async def test_a_forged_form_is_refused(page: WebPage, newsroom: NewsroomProcess, browser: EditorBrowser) -> None:
    path, csrf = build_path(page), (await browser.open("/profil")).csrf
    async with newsroom.open_as(*ALL_ROLES) as other:
        foreign = (await other.open("/profil")).csrf
    attempts = {
        "no value": (await browser.request("POST", path, data={"a": "b"}, headers=SAME_ORIGIN)).status,
        "an empty value": (await browser.send(path, csrf="")).status,
        "a foreign value": (await browser.send(path, csrf=foreign)).status,
        "another site": (await browser.send(path, csrf=csrf, site="cross-site")).status,
        "a sibling site": (await browser.send(path, csrf=csrf, site="same-site")).status,
        "a foreign origin": (
            await browser.request("POST", path, data={"csrf": csrf}, headers={"Origin": "https://evil.example"})
        ).status,
        "no origin": (await browser.request("POST", path, data={"csrf": csrf})).status,
        "a null origin": (await browser.request("POST", path, data={"csrf": csrf}, headers={"Origin": "null"})).status,
    }
    assert set(attempts.values()) == {403}, attempts


async def test_an_old_browser_is_known_by_its_origin(newsroom: NewsroomProcess, browser: EditorBrowser) -> None:
    csrf = (await browser.open("/profil")).csrf
    found = await browser.request("POST", "/profil/sitzungen", data={"csrf": csrf}, headers={"Origin": newsroom.url})
    assert found.location == "/profil?erledigt=sitzungen"


async def test_a_form_whose_session_ends_while_it_is_sent_changes_nothing(
    browser: EditorBrowser, member: Member
) -> None:
    csrf = (await browser.open("/profil")).csrf
    was_here = "select bool_and(seen_at > now() - interval '1 minute') from newsroom.session where account = $1"
    change = "update newsroom.session set {} where account = $1"
    await browser.owner.execute(change.format("seen_at = now() - interval '2 minutes'"), member.account.id)

    async def write_slowly() -> AsyncIterator[bytes]:
        yield b"csrf="
        await wait_for(lambda: browser.owner.fetchval(was_here, member.account.id))
        await browser.owner.execute(change.format("revoked_at = now()"), member.account.id)
        yield csrf.encode()

    headers = {**SAME_ORIGIN, "Content-Type": FORM_MEDIA}
    found = await browser.request("POST", "/entwuerfe", data=write_slowly(), headers=headers)
    assert (found.status, found.headers.get("Location")) == (403, None)
    begun = "select count(*) from newsroom.draft where created_by = $1"
    assert await browser.owner.fetchval(begun, member.account.id) == 0


async def test_a_form_that_is_sent_after_the_end_of_its_session_is_shown_to_be_copied(browser: EditorBrowser) -> None:
    csrf = (await browser.open("/profil")).csrf
    written = {
        "headline": "Sperrung <b>L 149</b>",
        "text": "Bis Freitag & länger",
        "topic": "stellen",
        "link": "https://www.landkreis-osterholz.de/neu",
        "municipalities": "Grasberg",
        "expires_at": "2031-05-01T18:00",
        "urgent": "1",
        "password": "geheim",
    }
    draft = f"/entwuerfe/{uuid4()}"
    for form in ({**written, "csrf": "f" * 32}, {**written, "csrf": csrf}):
        found = await browser.request("POST", draft, data=form, headers=SAME_ORIGIN)
        assert (found.status, "geheim" in found.text) == (401, False)
        assert dict(re.findall("<dt>(.*)</dt><dd>(.*)</dd>", found.text)) == {
            "Thema": "Stellen",
            "Gemeinden": "Grasberg",
            "Überschrift": "Sperrung &lt;b&gt;L 149&lt;/b&gt;",
            "Text": "Bis Freitag &amp; länger",
            "Link": "https://www.landkreis-osterholz.de/neu",
            "Eilmeldung": "ja",
            "Gültig bis": "1. Mai 2031, 18:00 Uhr",
        }
        assert f'href="/anmelden?abgelaufen=1&amp;weiter={quote(draft, safe="")}" target="_blank"' in found.text
        # In the second turn the value is right, but its session has ended.
        await browser.send("/abmelden", csrf=csrf)
    assert (await browser.request("POST", draft, data=form, headers={"Sec-Fetch-Site": "cross-site"})).status == 403


@pytest.mark.parametrize(
    ("body", "media", "status"),
    [
        (b"csrf=x&a=" + b"a" * MAX_BODY_BYTES, FORM_MEDIA, 413),
        (b'{"csrf": "x"}', "application/json", 415),
        (b"csrf=x", "text/plain", 415),
        (b"csrf=x", "", 415),
        (b"--b\r\nContent-Disposition: form-data; name=csrf\r\n\r\nx\r\n--b--", "multipart/form-data; boundary=b", 415),
        (b"csrf=x", f"{FORM_MEDIA}; charset=utf-7", 415),
        (b"csrf=x", f"{FORM_MEDIA}; charset=no-such-charset", 415),
        (b"csrf=\xff\xfe", FORM_MEDIA, 400),
        (b"csrf=%00%ff", FORM_MEDIA, 403),
        (b"\xff" * 1000, FORM_MEDIA, 400),
        (b"&" * 1000, FORM_MEDIA, 413),
    ],
    ids=range(11),
)
async def test_hostile_bodies_are_refused(body: bytes, media: str, status: int, browser: EditorBrowser) -> None:
    headers = {**SAME_ORIGIN, "Content-Type": media}
    assert (await browser.request("POST", "/profil/sitzungen", data=body, headers=headers)).status == status


async def test_a_packed_body_is_refused(browser: EditorBrowser) -> None:
    headers = {**SAME_ORIGIN, "Content-Type": FORM_MEDIA, "Content-Encoding": "gzip"}
    assert (await browser.request("POST", "/profil/sitzungen", data=b"csrf=x", headers=headers)).status == 415


@pytest.mark.parametrize(
    "value",
    [
        "\0",
        "\ud800".encode("utf-16-le", "surrogatepass").decode("latin-1"),
        "a" * 10_000,
        "<script>alert(1)</script>",
        "'; drop table newsroom.account; --",
    ],
)
async def test_hostile_fields_do_no_harm(value: str, browser: EditorBrowser) -> None:
    found = await browser.fill_in(
        "/einladung", "/einladung", name=value, login=value, roles=[value, "editor"], same=value
    )
    assert found.status in (400, 422)
    assert "<script>alert" not in found.text
    assert (await browser.open("/konten")).status == 200


@pytest.mark.parametrize("name", ["session", "device"])
async def test_a_cookie_that_is_no_text_is_none(name: str, newsroom: NewsroomProcess) -> None:
    """Sent by hand: a client of ours would not write it."""
    form = b"login=x&password=x&code="
    head = (
        f"POST /anmelden HTTP/1.1\r\nHost: x\r\nSec-Fetch-Site: same-origin\r\nConnection: close\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(form)}\r\n"
        f'Cookie: kreisfunk-{name}="'
    )
    address = URL(newsroom.url)
    reader, writer = await asyncio.open_connection(address.host, address.port)
    try:
        writer.write(head.encode() + b'\xff"\r\n\r\n' + form)
        answer = await reader.read()
    finally:
        writer.close()
    assert answer.split(b" ", 2)[1] == b"403"


@pytest.mark.parametrize(
    "path",
    ["/gibt-es-nicht", "/konto/%00", "/konto/..%2f..%2fetc", "/static/x/../../settings.py", "/static/x/kern/", "/%ff"],
)
async def test_what_does_not_exist_is_a_page_that_says_so(path: str, browser: EditorBrowser) -> None:
    found = await browser.open(path)
    assert found.status in (400, 404)
    assert "Traceback" not in found.text


async def test_every_page_has_a_strict_policy_and_is_kept_nowhere(
    browser: EditorBrowser, stranger: EditorBrowser
) -> None:
    pages = [await stranger.open("/anmelden"), await browser.open("/konten"), await browser.open("/gibt-es-nicht")]
    for page in pages:
        policy = page.headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'self'; script-src 'self' 'nonce-")
        for part in ("base-uri 'none'", "form-action 'self'", "frame-ancestors 'none'", "connect-src 'self'"):
            assert part in policy
        assert "unsafe" not in policy
        assert page.headers["Cache-Control"] == "no-store"
        assert page.headers["X-Content-Type-Options"] == "nosniff"
        assert "style=" not in page.text
        assert re.findall(r"\son[a-z]+=", page.text) == []
        assert re.findall(r"""(?:src|href|action)=["']?(?:https?:)?//""", page.text) == []
    nonces = {re.search(r"'nonce-([^']+)'", page.headers["Content-Security-Policy"])[1] for page in pages}  # type: ignore[index]
    assert len(nonces) == len(pages)


async def test_a_session_that_is_being_set_up_reaches_nothing_else_and_any_other_does_not_set_up_again(
    newsroom: NewsroomProcess, member: Member, browser: EditorBrowser
) -> None:
    elsewhere = [page for page in GUARDED if page.audience is not Audience.SETTING_UP]
    async with newsroom.open_browser(member, stage="setup") as opened:
        led = [await visit(opened, page, csrf="x") for page in elsewhere]
    assert {(found.status, found.location) for found in led} == {(303, "/einrichten")}
    csrf = (await browser.open("/profil")).csrf
    assert (await browser.open("/einrichten")).location == "/"
    assert (await browser.send("/einrichten", {"password": "x", "code": "1", "secret": ""}, csrf=csrf)).location == "/"


async def test_nothing_that_was_sent_is_in_the_log(newsroom: NewsroomProcess, browser: EditorBrowser) -> None:
    await browser.fill_in("/einladung", "/einladung", name="Wer-steht-im-Log", login="Wer-steht-im-Log")
    await browser.open("/Wer-steht-im-Log?x=Wer-steht-im-Log")
    assert "Wer-steht-im-Log" not in newsroom.log
    assert "page_failed" not in newsroom.log

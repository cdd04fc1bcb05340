"""What a broadcast's page says, and what its buttons answer, while all sending is paused."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest

from services.newsroom.domain.accounts import Role
from tests.harness.ledger_rows import add_sent_broadcast, set_up_number
from tests.harness.newsroom import EditorBrowser, NewsroomProcess, ShownPage
from tests.harness.writing_desk import add_broadcast


@pytest.fixture
async def operator(newsroom: NewsroomProcess) -> AsyncIterator[EditorBrowser]:
    await set_up_number(newsroom.owner)
    async with newsroom.open_browser(await newsroom.add_member(Role.OPERATOR)) as browser:
        yield browser


async def pause(browser: EditorBrowser, path: str) -> ShownPage:
    return await browser.fill_in(f"{path}/anhalten", f"{path}/anhalten", reason="Falsche Uhrzeit")


async def test_what_has_begun_waits_while_all_sending_is_paused_and_says_so(
    newsroom: NewsroomProcess, operator: EditorBrowser
) -> None:
    """The ledger does not know of it yet: pages come when sending goes on."""
    broadcast = await add_broadcast(newsroom.owner, notice=uuid4().hex, states="{}")
    ended = await add_broadcast(newsroom.owner, states='{"delivered": 10}', finished_at=datetime.now(UTC))
    path = f"/aussendungen/{broadcast}"
    assert ">wird gesendet</span>" in (await operator.open(path)).text
    assert "noch nicht begonnen" in (await pause(operator, path)).text
    await newsroom.owner.execute("select dispatcher.pause_sending('Übung <1>', null)")
    try:
        shown = (await operator.open(path)).text
        assert (">wartet</span>" in shown, ">wird gesendet</span>" in shown) == (True, False)
        assert shown.count("Der gesamte Versand ist angehalten.") == 1
        assert "Grund: Übung &lt;1&gt;" in shown
        refused = await pause(operator, path)
        assert refused.status == 422
        words = "Der gesamte Versand ist angehalten, auch diese Aussendung wartet."
        assert (
            f"{words} Sie können sie beenden; wer die Meldung geschrieben hat, kann sie zurückziehen." in refused.text
        )
        assert "schon lange" not in refused.text
        known = await add_sent_broadcast(newsroom.owner, {"waiting": 2, "delivered": 1})
        assert ">wartet</span>" in (await operator.open(f"/aussendungen/{known}")).text
        assert ">abgeschlossen</span>" in (await operator.open(f"/aussendungen/{ended}")).text
        assert "schon lange vorbei" in (await pause(operator, f"/aussendungen/{ended}")).text
    finally:
        await newsroom.owner.execute("select dispatcher.resume_sending(null)")
    assert ">wird gesendet</span>" in (await operator.open(path)).text
    never = await add_broadcast(newsroom.owner, states="{}", started_at=None, cancelled_at=datetime.now(UTC))
    assert "schon beendet" in (await pause(operator, f"/aussendungen/{never}")).text

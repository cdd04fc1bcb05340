"""While the broker is away no event arrives: pages say so, and do not call it sending."""

from pathlib import Path

from tests.databases import FreshDatabase
from tests.harness.ledger_rows import set_up_number
from tests.harness.newsroom import ALL_ROLES, run_newsroom
from tests.harness.writing import add_broadcast
from tests.proxy import UNDISTURBED_NETWORK, NetworkConditions, run_proxy_to
from tests.servers import fetch_until

WARNINGS = ("Der Versand ist zurzeit nicht erreichbar.", "RabbitMQ antwortet nicht.")  # the latter where operators look


async def test_pages_say_that_their_numbers_stand_still_as_long_as_they_do(
    newsroom_broker: str, module_database: FreshDatabase, tmp_path: Path
) -> None:
    async with (
        run_proxy_to(newsroom_broker) as (proxy, url),
        run_newsroom(url, module_database, tmp_path) as newsroom,
        newsroom.open_as(*ALL_ROLES) as browser,
    ):
        await set_up_number(newsroom.owner)
        paths = ("/", "/aussendungen", f"/aussendungen/{await add_broadcast(newsroom.owner)}", "/betrieb")

        async def list_silent() -> list[str]:
            pages = {path: await browser.read(path) for path in paths}
            return [path for path, page in pages.items() if not any(words in page for words in WARNINGS)]

        await fetch_until(list_silent, lambda silent: silent == [*paths])
        assert "Der Versand läuft." in await browser.read("/betrieb")
        proxy.set_conditions(NetworkConditions(refuse=True))
        await fetch_until(list_silent, lambda silent: silent == [])
        assert "Der Versand läuft." not in await browser.read("/betrieb")
        proxy.set_conditions(UNDISTURBED_NETWORK)
        await fetch_until(list_silent, lambda silent: silent == [*paths])

"""The dashboards' pictures, taken while the last of some broadcasts is sent.

`python -m tests.e2e.monitoring.pictures docs/pictures` takes them again, in some minutes.
"""

import asyncio
import tempfile
import time
from pathlib import Path

import typer

from tests.e2e.monitoring.watched_town import WatchedTown, run_watched_town
from tests.servers import wait_for
from tools.dashboards import Period, save_pictures

CITIZENS = 2_000
RATE = 80
NOTICES = (
    ("strassensperrungen", "L 149 gesperrt", "Zwischen Worpswede und Hüttenbusch wird die Fahrbahn erneuert."),
    ("baustellen", "Bauarbeiten in der Findorffstraße", "Bis Freitag ist ein Gehweg gesperrt."),
    ("veranstaltungen", "Herbstmarkt in Ritterhude", "Am Sonntag von 11 bis 18 Uhr rund um das Rathaus."),
    ("stellen", "Ausbildung beim Landkreis", "Bewerbungen für August nimmt das Kreishaus bis Januar an."),
)
# What citizens write about each, and how many.
WORDS = {"Danke!": 2, "Feedback: sehr hilfreich": 7, "Hilfe": 5, "Keine Stellen": 12, "Nur Worpswede": 8, "Stop": 3}


async def have_a_day(town: WatchedTown) -> None:
    """In some minutes: people subscribe, editors publish, citizens answer, a few leave."""
    simulator = town.press.simulator
    citizens = await simulator.add_citizens(CITIZENS, bsuid_only=CITIZENS // 12)
    await simulator.send_text(citizens, "Start", per_second=RATE / 2)

    async def subscribed() -> bool:
        people = 'max(kreisfunk_subscriptions_subscribers{state="subscribed"})'
        return await town.prometheus.query_number(people) > CITIZENS

    await wait_for(subscribed, 300)
    for topic, headline, text in NOTICES:
        path = await town.press.publish(topic=topic, headline=headline, text=text)
        await town.run_kreisfunk("publish", "--topic", topic, "--headline", headline, "--text", f"{text} Vielen Dank.")
        for words, count in WORDS.items():
            chosen, citizens = citizens[:count], citizens[count:]
            await simulator.send_text(chosen, words, per_second=1)
        await town.knock()
        await town.press.wait_for_text(await town.press.follow(path), "abgeschlossen")


async def draw(folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="kreisfunk-") as name:
        async with run_watched_town(Path(name), RATE) as town:
            started = int(time.time())
            await have_a_day(town)
            accepted = await town.press.simulator.count_accepted()
            await town.press.publish(text="Die Umleitung führt über Hüttenbusch.")

            async def half() -> bool:
                return await town.press.simulator.count_accepted() > accepted + CITIZENS // 2

            await wait_for(half)
            await save_pictures(town.prometheus.url, folder, Period(started, int(time.time())))


def main(folder: Path) -> None:
    asyncio.run(draw(folder))


if __name__ == "__main__":
    typer.run(main)

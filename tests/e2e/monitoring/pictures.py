"""The dashboards' pictures, taken while the last of some broadcasts is sent.

`python -m tests.e2e.monitoring.pictures docs/pictures` takes them again, in some minutes.
"""

import asyncio
import time
from pathlib import Path

import typer

from tests.e2e.monitoring.monitored_system import MonitoredSystem, run_monitored_system
from tests.servers import fetch_until, make_folder, wait_for
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


async def have_a_day(system: MonitoredSystem) -> None:
    """In some minutes: people subscribe, editors publish, citizens answer, a few leave."""
    simulator = system.editors.simulator
    citizens = await simulator.add_citizens(CITIZENS, bsuid_only=CITIZENS // 12)
    await simulator.send_text(citizens, "Start", per_second=RATE / 2)

    async def subscribed() -> bool:
        subscribers = 'max(kreisfunk_subscriptions_subscribers{state="subscribed"})'
        return await system.prometheus.query_number(subscribers) > CITIZENS

    await wait_for(subscribed, 300)
    for topic, headline, text in NOTICES:
        path = await system.editors.publish(topic=topic, headline=headline, text=text)
        await system.run_kreisfunk(
            "publish", "--topic", topic, "--headline", headline, "--text", f"{text} Vielen Dank."
        )
        for words, count in WORDS.items():
            chosen, citizens = citizens[:count], citizens[count:]
            await simulator.send_text(chosen, words, per_second=1)
        await system.knock()
        await system.editors.wait_for_text(await system.editors.follow(path), "abgeschlossen")


async def draw(folder: Path) -> None:
    with make_folder() as servers:
        async with run_monitored_system(servers, RATE) as system:
            started = int(time.time())
            await have_a_day(system)
            accepted = await system.editors.simulator.count_accepted()
            await system.editors.publish(text="Die Umleitung führt über Hüttenbusch.")
            await fetch_until(system.editors.simulator.count_accepted, lambda found: found > accepted + CITIZENS // 2)
            await save_pictures(system.prometheus.url, folder, Period(started, int(time.time())))


def main(folder: Path) -> None:
    asyncio.run(draw(folder))


if __name__ == "__main__":
    typer.run(main)

"""`kreisfunk up`: the whole system on this machine until Ctrl-C."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.output import console, fail, say
from deploy.local.environments import ROOT
from deploy.local.errors import LocalError

if TYPE_CHECKING:
    from deploy.local.stack import Stack

FOLDER = Path(".local/up")
USUAL_COUNTY = "deploy/config/county.toml"
COUNTY = ROOT / USUAL_COUNTY
# Of phones, webhooks and notices, as with containers; others where somebody has them already.
PORTS = (8090, 8080, 8081)
PHONES = 3


def up(
    folder: Annotated[Path, typer.Option(help="Where servers keep their data, for the next time.")] = FOLDER,
    rate: Annotated[int, typer.Option(min=5, max=1000, help="The number's limit in messages per second.")] = 80,
    dispatchers: Annotated[int, typer.Option(min=1, max=8, help="Replicas of the dispatcher.")] = 2,
    county: Annotated[Path, typer.Option(help="The county's file.", show_default=USUAL_COUNTY)] = COUNTY,
) -> None:
    """Keep the whole system up until Ctrl-C, with the simulator in Meta's place."""
    try:
        asyncio.run(_up(folder.absolute(), rate, dispatchers, county))
    except LocalError as error:
        fail(str(error))
    except (KeyboardInterrupt, asyncio.CancelledError):
        pass
    console.print("- everything has ended", markup=False)


async def _up(folder: Path, rate: int, dispatchers: int, county: Path) -> None:
    from deploy.local.stack import local_stack

    phones = {"SIMULATOR_PHONES": str(PHONES), "SIMULATOR_PHONES_FILE": str(folder / "phones.json")}
    async with local_stack(
        folder,
        dispatchers=dispatchers,
        messages_per_second=rate,
        county=county,
        settings={"simulator": phones},
        ports=PORTS,
        progress=_tell,
    ) as stack:
        _show(stack)
        await asyncio.Event().wait()


def _show(stack: "Stack") -> None:
    say("")
    say(f"Phones:   {stack.phones_url}")
    say(f"Webhook:  {stack.ingress_url}/webhook")
    say(f"Notices:  {stack.door_url}/notices")
    for name, url in stack.metrics_urls.items():
        say(f"Metrics:  {url}  ({name})")
    say("")
    say("Publish from another terminal:")
    say('  .venv/bin/kreisfunk publish --topic strassensperrungen --headline "Vollsperrung L 149" \\')
    say('    --text "Die L 149 ist bis Freitag gesperrt."')
    say("")
    say("Ctrl-C ends everything.")


def _tell(step: str) -> None:
    console.print(f"- {step}", markup=False)

"""`kreisfunk up`: the whole system on this machine until Ctrl-C."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.output import console, fail, say
from deploy.local.errors import LocalError
from deploy.paths import ROOT

if TYPE_CHECKING:
    from deploy.local.stack import Stack

DEFAULT_FOLDER = Path(".local/up")
DEFAULT_COUNTY = "deploy/config/county.toml"
COUNTY = ROOT / DEFAULT_COUNTY
# Ports of phones, webhook and notices API, the same as with containers; taken ones are replaced.
PORTS = (8090, 8080, 8081)
PHONE_COUNT = 3


def up(
    folder: Annotated[Path, typer.Option(help="Where servers keep their data, for the next time.")] = DEFAULT_FOLDER,
    rate: Annotated[int, typer.Option(min=5, max=1000, help="The number's limit in messages per second.")] = 80,
    dispatchers: Annotated[int, typer.Option(min=1, max=8, help="Replicas of the dispatcher.")] = 2,
    county: Annotated[Path, typer.Option(help="The county's file.", show_default=DEFAULT_COUNTY)] = COUNTY,
) -> None:
    """Keep the whole system up until Ctrl-C, with the simulator in Meta's place."""
    try:
        asyncio.run(_run_until_interrupted(folder.absolute(), rate, dispatchers, county))
    except LocalError as error:
        fail(str(error))
    except (KeyboardInterrupt, asyncio.CancelledError):
        pass
    console.print("- everything has ended", markup=False)


async def _run_until_interrupted(folder: Path, rate: int, dispatchers: int, county: Path) -> None:
    from deploy.local.stack import run_stack

    phones = {"SIMULATOR_PHONES": str(PHONE_COUNT), "SIMULATOR_PHONES_FILE": str(folder / "phones.json")}
    async with run_stack(
        folder,
        dispatchers=dispatchers,
        messages_per_second=rate,
        county=county,
        settings={"simulator": phones},
        ports=PORTS,
        progress=_print_step,
    ) as stack:
        _print_addresses(stack)
        await asyncio.Event().wait()


def _print_addresses(stack: "Stack") -> None:
    say("")
    say(f"Phones:   {stack.phones_url}")
    say(f"Webhook:  {stack.ingress_url}/webhook")
    say(f"Notices:  {stack.notices_api_url}/notices")
    for name, url in stack.metrics_urls.items():
        say(f"Metrics:  {url}  ({name})")
    say("")
    say("Publish from another terminal:")
    say('  .venv/bin/kreisfunk publish --topic strassensperrungen --headline "Vollsperrung L 149" \\')
    say('    --text "Die L 149 ist bis Freitag gesperrt."')
    say("")
    say("Ctrl-C ends everything.")


def _print_step(step: str) -> None:
    console.print(f"- {step}", markup=False)

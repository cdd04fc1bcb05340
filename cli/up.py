"""`kreisfunk up`: the whole system on this machine until Ctrl-C."""

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from cli.newsroom import FirstPassword, add_first_accounts
from cli.options import COUNTY, CountyFile
from cli.output import fail, print_step, say
from cli.settings import AccountSettings
from cli.stacks import read_settings_from
from deploy import LocalError
from deploy.local.stack import Stack, run_stack

DEFAULT_FOLDER = Path(".local/up")
# Ports of phones, webhook, notices API, newsroom and archive, the same as with containers; taken ones are replaced.
PORTS = (8090, 8080, 8081, 8082, 8083)
PHONE_COUNT = 3


def up(
    folder: Annotated[Path, typer.Option(help="Where servers keep their data between runs.")] = DEFAULT_FOLDER,
    rate: Annotated[int, typer.Option(min=5, max=1000, help="The number's limit in messages per second.")] = 80,
    dispatchers: Annotated[int, typer.Option(min=1, max=8, help="Replicas of the dispatcher.")] = 2,
    county: CountyFile = COUNTY,
    new_account: Annotated[
        bool, typer.Option("--new-account", help="The simulator begins without templates and webhook, for `setup`.")
    ] = False,
) -> None:
    """Run the whole system until Ctrl-C, with the simulator in place of Meta."""
    try:
        asyncio.run(_run_until_interrupted(folder.absolute(), rate, dispatchers, county, new_account=new_account))
    except LocalError as error:
        fail(str(error))
    except (KeyboardInterrupt, asyncio.CancelledError):
        pass
    print_step("everything has ended")


async def _run_until_interrupted(folder: Path, rate: int, dispatchers: int, county: Path, *, new_account: bool) -> None:
    phones = {"SIMULATOR_PHONES": str(PHONE_COUNT), "SIMULATOR_PHONES_FILE": str(folder / "phones.json")}
    if new_account:
        phones["SIMULATOR_NEW_ACCOUNT"] = "true"
    start = partial(run_stack, folder, dispatchers=dispatchers, messages_per_second=rate, county=county)
    async with start(newsrooms=1, settings={"simulator": phones}, ports=PORTS, progress=print_step) as stack:
        _print_addresses(stack, await add_first_accounts(read_settings_from(stack.users, AccountSettings)))
        await asyncio.Event().wait()


def _print_addresses(stack: Stack, passwords: Sequence[FirstPassword]) -> None:
    say("")
    say(f"Phones:   {stack.phones_url}")
    say(f"Webhook:  {stack.ingress_url}/webhook")
    say(f"Notices:  {stack.notices_api_url}/notices")
    say(f"Newsroom: {stack.newsroom_url}")
    for first in passwords:
        say(f"          log in as {first.login} with {first.password} (shown this once)")
    say(f"Archive:  {stack.archive_url}")
    for name, url in stack.metrics_urls.items():
        say(f"Metrics:  {url}  ({name})")
    say("")
    say("Publish from another terminal:")
    say('  .venv/bin/kreisfunk publish --topic strassensperrungen --headline "Vollsperrung L 149" \\')
    say('    --text "Die L 149 ist bis Freitag gesperrt."')
    say("")
    say("Ctrl-C ends everything.")

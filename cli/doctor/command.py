"""The `kreisfunk doctor` command."""

from pathlib import Path
from typing import Annotated

import typer

from cli.options import Json
from deploy.paths import ROOT

DEFAULT_COUNTY, DEFAULT_TEMPLATES = "deploy/config/county.toml", "deploy/config/templates.json"
SERVICES = ("ingress", "notices", "subscriptions", "dispatcher", "newsroom", "pressestelle", "admin")


def doctor(
    stack: Annotated[Path | None, typer.Option(help="Folder of a local stack.")] = None,
    service: Annotated[str | None, typer.Option(help=f"Only this one: {', '.join(SERVICES)}.")] = None,
    business_account: Annotated[
        str | None, typer.Option(envvar="KREISFUNK_WABA_ID", help="Id of the WhatsApp Business account.")
    ] = None,
    ingress_url: Annotated[str | None, typer.Option(help="Where the webhook is reached from outside.")] = None,
    ready_url: Annotated[
        list[str] | None, typer.Option(help="/readyz of another process that has to be ready; may be repeated.")
    ] = None,
    county: Annotated[
        Path, typer.Option(envvar="KREISFUNK_COUNTY_FILE", help="The county's file.", show_default=DEFAULT_COUNTY)
    ] = ROOT / DEFAULT_COUNTY,
    templates: Annotated[
        Path, typer.Option(envvar="KREISFUNK_TEMPLATES_FILE", help="Our templates.", show_default=DEFAULT_TEMPLATES)
    ] = ROOT / DEFAULT_TEMPLATES,
    standbys: Annotated[
        int, typer.Option(envvar="KREISFUNK_DATABASE_STANDBYS", min=0, help="Synchronous standbys the database has.")
    ] = 0,
    json: Json = False,
) -> None:
    """Look at an installation, and say what to do about what is wrong.

    The installation is taken from the environment: the process whose login KREISFUNK_BROKER_URL names, or every process
    that has a folder in KREISFUNK_SECRETS_DIR. Without these it is the running local stack. Nothing is changed.
    """
    if service not in (None, *SERVICES):
        raise typer.BadParameter(f"unknown service; one of {', '.join(SERVICES)}")
    from cli.doctor.actions import examine

    examine(
        stack,
        service,
        business_account=business_account,
        ingress_url=ingress_url,
        other_ready_urls=tuple(ready_url or ()),
        county=county,
        templates=templates,
        standbys=standbys,
        as_json=json,
    )

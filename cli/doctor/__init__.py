"""`kreisfunk doctor`: checks an installation and gives advice on each problem."""

import asyncio
import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from cli.options import COUNTY, TEMPLATES, CountyFile, Json, TemplatesFile
from cli.output import EXIT_FAILED, print_result, show_status


def doctor(
    stack: Annotated[Path | None, typer.Option(help="Folder of a local stack.")] = None,
    business_account: Annotated[
        str | None, typer.Option(envvar="KREISFUNK_WABA_ID", help="Id of the WhatsApp Business account.")
    ] = None,
    ingress_url: Annotated[str | None, typer.Option(help="Where the webhook is reached from outside.")] = None,
    ready_url: Annotated[
        list[str] | None, typer.Option(help="/readyz of another process that has to be ready; may be repeated.")
    ] = None,
    county: CountyFile = COUNTY,
    templates: TemplatesFile = TEMPLATES,
    standbys: Annotated[
        int, typer.Option(envvar="KREISFUNK_DATABASE_STANDBYS", min=0, help="Synchronous standbys the database has.")
    ] = 0,
    json: Json = False,
) -> None:
    """Look at an installation, and say what to do about what is wrong.

    The installation is taken from the environment: the process whose login KREISFUNK_BROKER_URL names, or every process
    that has a folder in KREISFUNK_SECRETS_DIR. Without these it is the running local stack. Nothing is changed.
    """
    from cli.broker import suppress_driver_logs
    from cli.doctor.checks import build_checks
    from cli.doctor.findings import build_json, format_text, run_checks
    from cli.doctor.installation import find_installation

    found = find_installation(stack, os.environ)
    installation = replace(
        found,
        business_account=business_account or found.business_account,
        ingress_url=ingress_url or found.ingress_url,
        other_ready_urls=tuple(ready_url or ()),
        county_file=county,
        templates_file=templates,
        database_standbys=standbys,
    )
    suppress_driver_logs()
    checks = build_checks(installation)
    with show_status(f"{len(checks)} checks"):
        findings = asyncio.run(run_checks(checks))
    print_result(build_json(findings), format_text(findings), json=json)
    if any(finding.problem for finding in findings):
        raise typer.Exit(EXIT_FAILED)

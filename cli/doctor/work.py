"""What the command does."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import typer

from cli.broker import silence_drivers
from cli.doctor.checks import all_checks
from cli.doctor.findings import Check, Finding, run_checks
from cli.doctor.installation import Installation, of_stack, processes_of
from cli.doctor.kinds import KINDS
from cli.output import EXIT_FAILED, EXIT_USAGE, console, fail, say
from cli.stacks import find_stack


def examine(
    stack: Path | None,
    service: str | None,
    *,
    business_account: str | None,
    ingress_url: str | None,
    county: Path,
    templates: Path,
    as_json: bool,
) -> None:
    """Say what was found; status 1 if something is wrong, 2 if nobody knows where to look."""
    found = _only(_installation(stack, service, os.environ), service)
    installation = replace(
        found,
        business_account=business_account or found.business_account,
        ingress_url=ingress_url or found.ingress_url,
        county_file=county,
        templates_file=templates,
    )
    silence_drivers()
    findings = asyncio.run(_with_progress(all_checks(installation)))
    _report(findings, as_json=as_json)


def _installation(stack: Path | None, service: str | None, environment: Mapping[str, str]) -> Installation:
    processes = {} if stack else processes_of(environment, service)
    if processes:
        return Installation(processes=processes)
    running = find_stack(stack, environment)
    if running is None:
        advice = f"Name the process with --service: {', '.join(KINDS)}."
        fail("The login in KREISFUNK_BROKER_URL is none of ours.", advice, EXIT_USAGE)
    return of_stack(running)


def _only(installation: Installation, service: str | None) -> Installation:
    if service is None:
        return installation
    urls = installation.ready_urls
    return replace(
        installation,
        processes={service: installation.processes.get(service, {})},
        ingress_url=installation.ingress_url if service == "ingress" else None,
        ready_urls={name: url for name, url in urls.items() if name.startswith(service)} if urls else None,
    )


async def _with_progress(checks: Sequence[Check]) -> list[Finding]:
    if not console.is_terminal:
        return await run_checks(checks)
    with console.status(f"{len(checks)} checks"):
        return await run_checks(checks)


def _report(findings: Sequence[Finding], *, as_json: bool) -> None:
    say(msgspec.json.encode(as_object(findings)).decode() if as_json else as_text(findings))
    if any(finding.problem for finding in findings):
        raise typer.Exit(EXIT_FAILED)


def as_text(findings: Sequence[Finding]) -> str:
    """A line for each check, two for a problem, and the sum."""
    problems = sum(finding.problem is not None for finding in findings)
    return "\n".join((*(_lines(finding) for finding in findings), f"{len(findings)} checks, {problems} problems"))


def _lines(finding: Finding) -> str:
    if finding.problem is None:
        return f"ok       {finding.name}"
    return f"PROBLEM  {finding.name}: {finding.problem.what}\n         {finding.problem.advice}"


def as_object(findings: Sequence[Finding]) -> dict[str, Any]:
    """The same for scripts."""
    return {
        "ok": all(finding.problem is None for finding in findings),
        "checks": [_as_object(finding) for finding in findings],
    }


def _as_object(finding: Finding) -> dict[str, Any]:
    if finding.problem is None:
        return {"name": finding.name, "ok": True}
    return {
        "name": finding.name,
        "ok": False,
        "problem": finding.problem.what,
        "advice": finding.problem.advice,
    }

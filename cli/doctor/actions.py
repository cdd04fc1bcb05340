"""Action of `kreisfunk doctor`."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer

from cli.broker import suppress_driver_logs
from cli.doctor.checks import build_checks
from cli.doctor.findings import Check, CompletedCheck, run_checks
from cli.doctor.installation import PROCESS_KINDS, Installation, build_from_stack, find_processes
from cli.output import EXIT_FAILED, EXIT_USAGE, fail, print_result, show_status
from cli.stacks import find_stack


def examine(
    stack: Path | None,
    service: str | None,
    *,
    business_account: str | None,
    ingress_url: str | None,
    other_ready_urls: tuple[str, ...],
    county: Path,
    templates: Path,
    standbys: int,
    as_json: bool,
) -> None:
    """Print the findings; exit with status 1 if there is a problem, with 2 if no installation was found."""
    found = _select_service(_find_installation(stack, service, os.environ), service)
    installation = replace(
        found,
        business_account=business_account or found.business_account,
        ingress_url=ingress_url or found.ingress_url,
        other_ready_urls=other_ready_urls,
        county_file=county,
        templates_file=templates,
        database_standbys=standbys,
    )
    suppress_driver_logs()
    findings = asyncio.run(_run_with_progress(build_checks(installation)))
    _print_findings(findings, as_json=as_json)


def _find_installation(stack: Path | None, service: str | None, environment: Mapping[str, str]) -> Installation:
    processes = {} if stack else find_processes(environment, service)
    if processes:
        return Installation(processes=processes)
    running = find_stack(stack, environment)
    if running is None:
        advice = f"Name the process with --service: {', '.join(PROCESS_KINDS)}."
        fail("The login in KREISFUNK_BROKER_URL is none of ours.", advice, EXIT_USAGE)
    return build_from_stack(running)


def _select_service(installation: Installation, service: str | None) -> Installation:
    if service is None:
        return installation
    urls = installation.ready_urls
    return replace(
        installation,
        processes={service: installation.processes.get(service, {})},
        ingress_url=installation.ingress_url if service == "ingress" else None,
        ready_urls={name: url for name, url in urls.items() if name.startswith(service)} if urls else None,
    )


async def _run_with_progress(checks: Sequence[Check]) -> list[CompletedCheck]:
    with show_status(f"{len(checks)} checks"):
        return await run_checks(checks)


def _print_findings(findings: Sequence[CompletedCheck], *, as_json: bool) -> None:
    print_result(build_json(findings), format_text(findings), json=as_json)
    if any(finding.problem for finding in findings):
        raise typer.Exit(EXIT_FAILED)


def format_text(findings: Sequence[CompletedCheck]) -> str:
    """Format one line for each check, two for a problem, and the totals."""
    problems = sum(finding.problem is not None for finding in findings)
    return "\n".join((*map(_format_finding, findings), f"{len(findings)} checks, {problems} problems"))


def _format_finding(finding: CompletedCheck) -> str:
    if finding.problem is None:
        return f"ok       {finding.name}"
    return f"PROBLEM  {finding.name}: {finding.problem.what}\n         {finding.problem.advice}"


def build_json(findings: Sequence[CompletedCheck]) -> dict[str, Any]:
    """Return the findings as JSON values."""
    return {
        "ok": all(finding.problem is None for finding in findings),
        "checks": list(map(_build_finding_json, findings)),
    }


def _build_finding_json(finding: CompletedCheck) -> dict[str, Any]:
    if finding.problem is None:
        return {"name": finding.name, "ok": True}
    return {"name": finding.name, "ok": False, "problem": finding.problem.what, "advice": finding.problem.advice}

"""Checks, their execution, and their results as text and JSON."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

CHECK_TIMEOUT_SECONDS = 15.0
MAX_CONCURRENT_CHECKS = 8


class DoctorProblem(NamedTuple):
    """A problem and one sentence of advice. Neither holds a secret or a phone number."""

    what: str
    advice: str


@dataclass(frozen=True)
class Check:
    """A named check; `run` returns None if all is well."""

    name: str
    run: Callable[[], Awaitable[DoctorProblem | None]]


@dataclass(frozen=True)
class CompletedCheck:
    """The result of one check."""

    name: str
    problem: DoctorProblem | None


async def run_checks(checks: Sequence[Check], *, seconds: float = CHECK_TIMEOUT_SECONDS) -> list[CompletedCheck]:
    """Run the checks, at most 8 at a time, each with a time-out of `seconds`; results keep the given order."""
    slots = asyncio.Semaphore(MAX_CONCURRENT_CHECKS)
    return await asyncio.gather(*(_run_check(check, slots, seconds) for check in checks))


async def _run_check(check: Check, slots: asyncio.Semaphore, seconds: float) -> CompletedCheck:
    async with slots:
        try:
            async with asyncio.timeout(seconds):
                return CompletedCheck(check.name, await check.run())
        except TimeoutError:
            problem = DoctorProblem(
                f"no result within {seconds:.0f} s", "Look at that system's load and log, then try again."
            )
            return CompletedCheck(check.name, problem)


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
    problem = finding.problem
    told = {"problem": problem.what, "advice": problem.advice} if problem else {}
    return {"name": finding.name, "ok": problem is None, **told}

"""Checks, their execution, and their results as text and JSON."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

CHECK_TIMEOUT_SECONDS = 15.0
MAX_CONCURRENT_CHECKS = 8
_ADVICE = "Check its settings, first the address."


class DoctorProblem(NamedTuple):
    """A problem and one sentence of advice. Neither holds a secret or a phone number."""

    what: str
    advice: str


@dataclass(frozen=True)
class Check:
    """A named check; `run` returns None if all is well."""

    name: str
    run: Callable[[], Awaitable[DoctorProblem | None]]


class CompletedCheck(NamedTuple):
    name: str
    problem: DoctorProblem | None


async def run_checks(checks: Sequence[Check], *, seconds: float = CHECK_TIMEOUT_SECONDS) -> list[CompletedCheck]:
    """Run the checks, at most 8 at a time, each with a time-out of `seconds`; results keep the given order."""
    slots = asyncio.Semaphore(MAX_CONCURRENT_CHECKS)
    slow = DoctorProblem(f"no result within {seconds:.0f} s", "Check that system's load and log, then try again.")

    async def run(check: Check) -> CompletedCheck:
        async with slots:
            try:
                async with asyncio.timeout(seconds):
                    return CompletedCheck(check.name, await check.run())
            except TimeoutError:
                return CompletedCheck(check.name, slow)
            except Exception as error:  # such as an address that cannot be one; the other results are needed
                return CompletedCheck(check.name, DoctorProblem(f"cannot be checked: {type(error).__name__}", _ADVICE))

    return await asyncio.gather(*map(run, checks))


def format_text(findings: Sequence[CompletedCheck]) -> str:
    """Format one line for each check, two for a problem, and the totals."""
    lines = [
        f"PROBLEM  {name}: {problem.what}\n         {problem.advice}" if problem else f"ok       {name}"
        for name, problem in findings
    ]
    problems = sum(problem is not None for _, problem in findings)
    return "\n".join((*lines, f"{len(findings)} checks, {problems} problems"))


def build_json(findings: Sequence[CompletedCheck]) -> dict[str, Any]:
    checks = [
        {"name": name, "ok": False, "problem": problem.what, "advice": problem.advice}
        if problem
        else {"name": name, "ok": True}
        for name, problem in findings
    ]
    return {"ok": all(check["ok"] for check in checks), "checks": checks}

"""What a check is and what it says."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

CHECK_SECONDS = 15.0
MOST_AT_ONCE = 8


@dataclass(frozen=True)
class Problem:
    """What is wrong, and one sentence about what to do. No secret and nobody's number in either."""

    what: str
    advice: str


@dataclass(frozen=True)
class Check:
    """`look` says None if all is well."""

    name: str
    look: Callable[[], Awaitable[Problem | None]]


@dataclass(frozen=True)
class Finding:
    """What one check said."""

    name: str
    problem: Problem | None


async def run_checks(checks: Sequence[Check], *, seconds: float = CHECK_SECONDS) -> list[Finding]:
    """All of them, several at a time, each with its time-out; in the order given."""
    slots = asyncio.Semaphore(MOST_AT_ONCE)
    return await asyncio.gather(*(_run(check, slots, seconds) for check in checks))


async def _run(check: Check, slots: asyncio.Semaphore, seconds: float) -> Finding:
    async with slots:
        try:
            async with asyncio.timeout(seconds):
                return Finding(check.name, await check.look())
        except TimeoutError:
            problem = Problem(
                f"no result within {seconds:.0f} s", "Look at that system's load and log, then try again."
            )
            return Finding(check.name, problem)

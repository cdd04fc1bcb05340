"""Our own ports: the webhook refuses what is not signed, the probes say ready."""

import aiohttp

from cli.doctor.findings import Problem

LONGEST_REASON = 200


async def check_webhook(url: str) -> Problem | None:
    """An unsigned webhook is answered with 401."""
    try:
        async with aiohttp.ClientSession() as session, session.post(url, data=b"{}") as answer:
            status = answer.status
    except aiohttp.ClientError as error:
        return _unreachable(error)
    if status == 401:
        return None
    return Problem(f"an unsigned webhook got {status} instead of 401", "Check the address: something else answers.")


async def check_ready(url: str) -> Problem | None:
    """The process says that it can do its work."""
    try:
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            status, text = answer.status, (await answer.text(errors="replace")).strip()[:LONGEST_REASON]
    except aiohttp.ClientError as error:
        return _unreachable(error)
    if status == 200:
        return None
    return Problem(text or f"answers with {status}", "Mend what it names; it becomes ready again by itself.")


def _unreachable(error: aiohttp.ClientError) -> Problem:
    return Problem(f"does not answer: {type(error).__name__}", "Is the process running? Look at the end of its log.")

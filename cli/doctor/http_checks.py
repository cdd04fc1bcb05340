"""Checks of our own ports: the webhook rejects unsigned requests, the readiness probes succeed."""

import aiohttp

from cli.doctor.findings import DoctorProblem

MAX_REASON_LENGTH = 200


async def check_webhook(url: str) -> DoctorProblem | None:
    """Check that an unsigned webhook is answered with 401."""
    try:
        async with aiohttp.ClientSession() as session, session.post(url, data=b"{}") as answer:
            status = answer.status
    except aiohttp.ClientError as error:
        return _report_unreachable(error)
    if status == 401:
        return None
    return DoctorProblem(
        f"an unsigned webhook got {status} instead of 401", "Check the address: something else answers."
    )


async def check_ready(url: str) -> DoctorProblem | None:
    """Check that the process reports itself ready."""
    try:
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            status, text = answer.status, (await answer.text(errors="replace")).strip()[:MAX_REASON_LENGTH]
    except aiohttp.ClientError as error:
        return _report_unreachable(error)
    if status == 200:
        return None
    return DoctorProblem(text or f"answers with {status}", "Mend what it names; it becomes ready again by itself.")


def _report_unreachable(error: aiohttp.ClientError) -> DoctorProblem:
    return DoctorProblem(
        f"does not answer: {type(error).__name__}", "Is the process running? Look at the end of its log."
    )

"""`kreisfunk setup`: the way through Meta, from the first token to the first message."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import aiohttp
import typer

from cli.meta import GraphRefusal
from cli.options import COUNTY, TEMPLATES, CountyFile, TemplatesFile
from cli.output import Exit, say
from cli.setup import access, webhook
from cli.setup.run import SetupRun, StepResult, StepState, find_target, report_problem
from cli.setup.templates import check_number_format, send_first_message, set_up_templates


class SetupStep(NamedTuple):
    """A step; if a `required` one fails, the rest is skipped."""

    name: str
    take: Callable[[SetupRun], Awaitable[Sequence[StepResult]]]
    required: bool = False


STEPS = (
    SetupStep("token", access.set_up_token, required=True),
    SetupStep("number", access.check_number),
    SetupStep("account", access.check_account),
    SetupStep("app", access.set_up_app),
    SetupStep("verify token", access.check_verify_token),
    SetupStep("callback", webhook.check_callback),
    SetupStep("webhook", webhook.subscribe_app),
    SetupStep("account's webhook", webhook.subscribe_account),
    SetupStep("templates", set_up_templates),
    SetupStep("test message", send_first_message),
)


def set_up(
    check: Annotated[bool, typer.Option("--check", help="Only check: change, send and ask nothing.")] = False,
    token_file: Annotated[Path | None, typer.Option(help="System user token: stored once Meta accepts it.")] = None,
    app_secret_file: Annotated[Path | None, typer.Option(help="App secret: stored once Meta accepts it.")] = None,
    app_id: Annotated[str | None, typer.Option(help="Id of the app, if it cannot be read from the token.")] = None,
    callback_url: Annotated[str | None, typer.Option(help="Public webhook: https://HOST/webhook.")] = None,
    provider: Annotated[
        bool, typer.Option("--provider", help="The app is a solution provider's: only the account gets our address.")
    ] = False,
    picture: Annotated[Path | None, typer.Option(help="JPEG or PNG that Meta's reviewers see in templates.")] = None,
    test_to: Annotated[
        str | None, typer.Option(help="Send one test message to this number, such as +49…; Meta bills it.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before a change or the test message.")] = False,
    stack: Annotated[Path | None, typer.Option(help="Folder of a local stack.")] = None,
    county: CountyFile = COUNTY,
    templates: TemplatesFile = TEMPLATES,
) -> None:
    """Set up number, tokens, webhook and templates at Meta where missing, and send a first message.

    Each step first checks the state at Meta and in the files of the secrets, so the command may be ended and repeated
    at any time. All refusals by Meta are explained. Secrets are asked for without showing them, and never printed.

    Exit status: 0 all is set up, 1 something is open, 2 wrong command line or settings.
    """
    check_number_format(test_to)
    settings, secrets, own_url = find_target(stack, os.environ)
    run = SetupRun(
        settings=settings,
        secrets=secrets,
        county=county,
        templates=templates,
        check=check,
        yes=yes,
        token_file=token_file,
        app_secret_file=app_secret_file,
        app_id=app_id,
        given_url=callback_url,
        provider=provider,
        picture=picture,
        test_to=test_to,
        callback_url=own_url,
    )
    if not asyncio.run(_take_steps(run)):
        raise typer.Exit(Exit.FAILED)


async def _take_steps(run: SetupRun) -> bool:
    """Take all steps and print each result; return whether nothing is open."""
    results: list[StepResult] = []
    async with aiohttp.ClientSession() as session:
        run.session = session
        for step in STEPS:
            outcome = await _take(step, run)
            for result in outcome:
                say(_format_result(result))
            results += outcome
            if step.required and any(result.state is StepState.PROBLEM for result in outcome):
                say("         Everything else needs this: it is skipped.")
                break
    say(_format_totals(results, run.restart))
    return all(result.state is StepState.OK for result in results)


async def _take(step: SetupStep, run: SetupRun) -> Sequence[StepResult]:
    try:
        return await step.take(run)
    except GraphRefusal as refusal:
        return [report_problem(step.name, *refusal.problem)]


def _format_result(result: StepResult) -> str:
    line = f"{result.state:<8} {result.name}: {result.text}"
    return f"{line}\n         {result.advice}" if result.advice else line


def _format_totals(results: Sequence[StepResult], restart: Sequence[str]) -> str:
    """Format the last lines: which services have to read a new secret, and the totals."""
    counts = {state: sum(result.state is state for result in results) for state in StepState}
    totals = f"{counts[StepState.OK]} ok, {counts[StepState.OPEN]} open, {counts[StepState.PROBLEM]} problems"
    if not restart:
        return totals
    return f"New secrets: `docker compose restart {' '.join(dict.fromkeys(restart))}`, then run this again.\n{totals}"

"""Action of `kreisfunk setup`: the steps in their order, and what is printed of them."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import aiohttp
import typer

from cli.meta import GraphRefusal
from cli.output import EXIT_FAILED, say
from cli.setup import access, templates, webhook
from cli.setup.run import (
    MetaSettings,
    SecretFiles,
    SetupOptions,
    SetupRun,
    StepResult,
    StepState,
    find_target,
    report_problem,
)


class SetupStep(NamedTuple):
    """A step; without a `needed` one the rest makes no sense."""

    name: str
    take: Callable[[SetupRun], Awaitable[Sequence[StepResult]]]
    needed: bool = False


STEPS = (
    SetupStep("token", access.set_up_token, needed=True),
    SetupStep("number", access.check_number),
    SetupStep("account", access.check_account),
    SetupStep("app", access.set_up_app),
    SetupStep("verify token", access.check_verify_token),
    SetupStep("callback", webhook.check_callback),
    SetupStep("webhook", webhook.subscribe_app),
    SetupStep("account's webhook", webhook.subscribe_account),
    SetupStep("templates", templates.set_up_templates),
    SetupStep("test message", templates.send_first_message),
)


def run_setup(options: SetupOptions, stack: Path | None) -> None:
    """Take all steps and print each result; ends the command with status 1 if something is open."""
    templates.check_number_format(options.test_to)
    settings, secrets, callback_url = find_target(stack, os.environ)
    if not asyncio.run(_take_steps(options, settings, secrets, callback_url)):
        raise typer.Exit(EXIT_FAILED)


async def _take_steps(
    options: SetupOptions, settings: MetaSettings, secrets: SecretFiles, callback_url: str | None
) -> bool:
    async with aiohttp.ClientSession() as session:
        run = SetupRun(settings=settings, secrets=secrets, options=options, session=session, callback_url=callback_url)
        results: list[StepResult] = []
        for step in STEPS:
            taken = await _take(step, run)
            for result in taken:
                say(format_result(result))
            results += taken
            if step.needed and any(result.state is StepState.PROBLEM for result in taken):
                say("         Everything else needs this: it is not looked at.")
                break
    say(format_totals(results, run.restart))
    return all(result.state is StepState.OK for result in results)


async def _take(step: SetupStep, run: SetupRun) -> Sequence[StepResult]:
    try:
        return await step.take(run)
    except GraphRefusal as refusal:
        return [report_problem(step.name, *refusal.problem)]


def format_result(result: StepResult) -> str:
    """Format one line, two if there is something to do."""
    line = f"{result.state:<8} {result.name}: {result.text}"
    return f"{line}\n         {result.advice}" if result.advice else line


def format_totals(results: Sequence[StepResult], restart: Sequence[str]) -> str:
    """Format the last lines: which services have to read a new secret, and what is left."""
    counts = {state: sum(result.state is state for result in results) for state in StepState}
    totals = f"{counts[StepState.OK]} ok, {counts[StepState.OPEN]} open, {counts[StepState.PROBLEM]} problems"
    if not restart:
        return totals
    return f"New secrets: `docker compose restart {' '.join(dict.fromkeys(restart))}`, then run this again.\n{totals}"

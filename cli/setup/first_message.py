"""Last step: one test message, which is never sent unasked."""

import re
from collections.abc import Sequence

from cli.doctor.findings import DoctorProblem
from cli.doctor.graph_api import APPROVED
from cli.output import EXIT_USAGE, fail
from cli.setup.refusals import explain_code
from cli.setup.run import SetupRun, StepResult, report_ok, report_open, report_problem
from cli.setup.templates import build_test_message, fetch_templates, find_template, read_own_templates

NUMBER = re.compile(r"\+[1-9][0-9]{6,15}")
# Meta's words for what it has accepted but does not send yet.
HELD = {"held_for_quality_assessment": 132015, "paused": 132015}


def check_number_format(number: str | None) -> None:
    """End the command with status 2 if this is no number with + and country code."""
    if number is not None and not NUMBER.fullmatch(number):
        fail(
            "--test-to is no number such as +4947919300.", "Begin with + and the country code, digits only.", EXIT_USAGE
        )


async def send_first_message(run: SetupRun) -> Sequence[StepResult]:
    """Send one approved template, if a number was given and the operator agrees."""
    name, number = "test message", run.options.test_to
    if number is None:
        return [report_ok(name, "none sent; --test-to +49… sends one")]
    expected, file = read_own_templates(run)
    existing = await fetch_templates(run)
    usable = [
        ours
        for wanted in expected
        if not wanted.picture and (find_template(wanted, existing) or {}).get("status") == APPROVED
        if (ours := find_template(wanted, file))
    ]
    if not usable:
        return [report_open(name, "none sent: no template is approved yet", explain_code(132001).advice)]
    template = min(usable, key=lambda one: one.get("category") != "UTILITY")  # it costs less
    if not run.prompt.may(f"Send one message to {number}, template {template['name']}? Meta bills it like a notice."):
        return [report_open(name, "none sent", "Run this without --check, or with --yes.")]
    path = f"{run.settings.phone_number_id}/messages"
    answer = await run.build_client().post(path, build_test_message(template, number))
    if not answer.get("messages"):
        problem = DoctorProblem("Meta's answer names no message", "Look at the phone, then try again.")
        return [report_problem(name, problem)]
    (message,) = answer["messages"]
    status = str(message.get("message_status", "accepted"))
    if status in HELD:
        return [
            report_problem(name, DoctorProblem(f"Meta has it, but it is {status}", explain_code(HELD[status]).advice))
        ]
    return [report_ok(name, f"{status}: look at the phone, then answer with Start")]

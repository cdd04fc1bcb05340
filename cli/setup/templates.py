"""Step about templates: those of the county's topics are created from our file, and their review is watched."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from cli.doctor.findings import DoctorProblem
from cli.doctor.graph_api import (
    APPROVED,
    ExpectedTemplate,
    GraphRefusal,
    TemplateDefinition,
    compare_template,
    list_expected_templates,
)
from cli.output import EXIT_USAGE, fail
from cli.setup.meta import Answer
from cli.setup.refusals import REJECTIONS
from cli.setup.run import SetupRun, StepResult, report_ok, report_open, report_problem
from shared.notices.config import ConfigurationError, read_configuration
from shared.notices.configuration import Configuration

FIELDS = "name,language,status,category,parameter_format,components,rejected_reason"
WAITING = ("PENDING", "IN_APPEAL")
MAX_PICTURE_BYTES = 5 * 1024 * 1024
# By the first bytes of a file.
PICTURES: Mapping[bytes, str] = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png"}


def read_own_templates(run: SetupRun) -> tuple[list[ExpectedTemplate], list[Answer]]:
    """Return the templates that the county's topics use, and all of our file; ends the command if one is unusable."""
    try:
        topics = read_configuration(run.options.county, Configuration).topics
        file = msgspec.json.decode(run.options.templates.read_bytes(), type=list[Answer])
        msgspec.convert(file, list[TemplateDefinition])
    except (ConfigurationError, OSError, msgspec.MsgspecError) as error:
        fail(str(error), "Correct the file, or name another one.", EXIT_USAGE)
    return [wanted for topic in topics for wanted in list_expected_templates(topic)], file


async def set_up_templates(run: SetupRun) -> Sequence[StepResult]:
    """Create the templates that are missing, and say of each how far its review is."""
    expected, file = read_own_templates(run)
    existing = await fetch_templates(run)
    missing = [wanted for wanted in expected if find_template(wanted, existing) is None]
    results = [_evaluate_review(wanted, file, existing) for wanted in expected if wanted not in missing]
    if missing and run.prompt.may(f"{len(missing)} of {len(expected)} templates are not at Meta yet. Create them?"):
        handle = await _upload_picture(run) if any(wanted.picture for wanted in missing) else ""
        return [*results, *[await _create(run, wanted, file, handle) for wanted in missing]]
    advice = "Run this without --check, or with --yes."
    return [*results, *(report_open(_name(wanted), "is not at Meta yet", advice) for wanted in missing)]


async def fetch_templates(run: SetupRun) -> list[Answer]:
    """Return all templates of the account."""
    return await run.build_client().list_all(f"{run.settings.waba_id}/message_templates", fields=FIELDS, limit="100")


def find_template(wanted: ExpectedTemplate, templates: Sequence[Answer]) -> Answer | None:
    """Return the template of this name and language."""
    key = (wanted.name, wanted.language)
    return next((one for one in templates if (one.get("name"), one.get("language")) == key), None)


def _name(wanted: ExpectedTemplate) -> str:
    return f"template {wanted.name}"


def _evaluate_review(wanted: ExpectedTemplate, file: Sequence[Answer], existing: Sequence[Answer]) -> StepResult:
    theirs, name = find_template(wanted, existing) or {}, _name(wanted)
    status, category = str(theirs.get("status")), theirs.get("category")
    if status in WAITING:
        return report_open(name, f"is {status}", "Meta takes up to 24 hours: run this again.")
    if status == "REJECTED":
        reason = str(theirs.get("rejected_reason", "NONE"))
        advice = f"{REJECTIONS.get(reason, 'See its page in WhatsApp Manager.')} Change it there, or appeal."
        return report_problem(name, DoctorProblem(f"was rejected: {reason}", advice))
    ours = find_template(wanted, file)
    problem = compare_template(wanted, *(msgspec.convert(each, list[TemplateDefinition]) for each in (file, existing)))
    if problem is not None:
        return report_problem(name, problem)
    if ours and category != ours.get("category"):
        advice = (
            "It costs what that category costs: see `[prices]` in the county's file, or appeal in WhatsApp Manager."
        )
        return report_open(name, f"is {APPROVED}, but as {category}, not {ours.get('category')}", advice)
    return report_ok(name, f"is {status}, {category}")


async def _create(run: SetupRun, wanted: ExpectedTemplate, file: Sequence[Answer], handle: str) -> StepResult:
    ours, name = find_template(wanted, file), _name(wanted)
    if ours is None:
        return report_problem(name, DoctorProblem("is not in our file of templates", "Add it there."))
    if wanted.picture and not handle:
        return report_open(name, "needs a picture for Meta's reviewers", "Give --picture FILE, a JPEG or PNG.")
    try:
        answer = await run.build_client().post(f"{run.settings.waba_id}/message_templates", _fill_in(ours, handle))
    except GraphRefusal as refusal:
        return report_problem(name, refusal.problem)
    text = f"was submitted as {answer.get('category')} and is {answer.get('status')}"
    if answer.get("status") == APPROVED:
        return report_ok(name, text)
    return report_open(name, text, "Meta takes up to 24 hours: run this again.")


def _fill_in(template: Answer, handle: str) -> Answer:
    """Return the template with the picture's handle in place of our file's note."""
    components = [
        {**part, "example": {"header_handle": [handle]}} if part.get("format") == "IMAGE" else part
        for part in template["components"]
    ]
    return {**template, "components": components}


async def _upload_picture(run: SetupRun) -> str:
    """Return the handle of the picture, empty if none was given. Raises GraphRefusal."""
    path = run.options.picture
    if path is None:
        typed = run.prompt.ask("Picture for Meta's reviewers, JPEG or PNG (Enter: templates with a picture later)")
        path = Path(typed) if typed else None
    if path is None or run.app_id is None:
        return ""
    content, mime_type = _read_picture(path)
    return await run.build_client().upload(run.app_id, content, mime_type)


def _read_picture(path: Path) -> tuple[bytes, str]:
    try:
        content = path.read_bytes()
    except OSError as error:
        fail(f"{path} cannot be read: {error.strerror}", status=EXIT_USAGE)
    mime_type = next((kind for start, kind in PICTURES.items() if content.startswith(start)), None)
    if mime_type is None or len(content) > MAX_PICTURE_BYTES:
        fail(f"{path} is no JPEG or PNG of at most 5 MB.", status=EXIT_USAGE)
    return content, mime_type


def build_test_message(template: Answer, number: str) -> dict[str, Any]:
    """Return the request that sends a template with the examples of our file as its parameters."""
    body = next(part for part in template["components"] if part["type"].upper() == "BODY")
    example = body.get("example", {})
    named = [
        {"type": "text", "parameter_name": one["param_name"], "text": one["example"]}
        for one in example.get("body_text_named_params", [])
    ]
    positional = [{"type": "text", "text": text} for text in next(iter(example.get("body_text", [])), [])]
    return {
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "to": number,
        "type": "template",
        "template": {
            "name": template["name"],
            "language": {"code": template["language"]},
            "components": [{"type": "body", "parameters": named or positional}],
        },
    }

"""Steps about templates: they are created from our file, their review is watched, and one is sent as a test."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from cli.doctor.graph_api import (
    APPROVED,
    ExpectedTemplate,
    TemplateDefinition,
    compare_template,
    list_expected,
    read_whole_definitions,
)
from cli.meta import Answer, GraphRefusal
from cli.meta_errors import REJECTIONS, explain_code
from cli.output import Exit, fail
from cli.setup.run import SetupRun, StepResult, report_ok, report_open, report_problem
from shared.notices.configuration import Configuration, ConfigurationError, read_configuration

FIELDS = "name,language,status,category,parameter_format,components,rejected_reason"
WAITING = ("PENDING", "IN_APPEAL")
MAX_PICTURE_BYTES = 5 * 1024 * 1024
NUMBER = re.compile(r"\+[1-9][0-9]{6,15}")
# Error codes with fitting advice, by Meta's status of a message that it has accepted but does not send yet.
DELAYED = {"held_for_quality_assessment": 132015, "paused": 132015}
# By the first bytes of a file.
PICTURES: Mapping[bytes, str] = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png"}


def _read_own_templates(run: SetupRun) -> tuple[list[ExpectedTemplate], list[Answer]]:
    """Return the templates that the county's topics use, and our file; ends the command if either is unusable."""
    try:
        topics = read_configuration(run.county, Configuration).topics
        file = read_whole_definitions(run.templates)
    except ConfigurationError as error:
        fail(str(error), "Correct the file, or name another one.", Exit.USAGE)
    return [*dict.fromkeys(wanted for topic in topics for wanted in list_expected(topic))], file


async def set_up_templates(run: SetupRun) -> Sequence[StepResult]:
    """Create the missing templates, and report the review state of each."""
    expected, file = _read_own_templates(run)
    existing = await _fetch_templates(run)
    missing = [wanted for wanted in expected if _find_template(wanted, existing) is None]
    results = [_evaluate_review(wanted, file, existing) for wanted in expected if wanted not in missing]
    if missing and run.may(f"{len(missing)} of {len(expected)} templates are not at Meta yet. Create them?"):
        handle = await _upload_picture(run) if any(wanted.picture for wanted in missing) else ""
        return [*results, *[await _create(run, wanted, file, handle) for wanted in missing]]
    return [*results, *(report_open(_name(wanted), "is not at Meta yet") for wanted in missing)]


async def _fetch_templates(run: SetupRun) -> list[Answer]:
    return await run.build_client().list_all(f"{run.settings.waba_id}/message_templates", fields=FIELDS, limit="100")


def _find_template(expected: ExpectedTemplate, templates: Sequence[Answer]) -> Answer | None:
    key = (expected.name, expected.language)
    return next((template for template in templates if (template.get("name"), template.get("language")) == key), None)


def _name(expected: ExpectedTemplate) -> str:
    return f"template {expected.name}"


def _evaluate_review(expected: ExpectedTemplate, file: Sequence[Answer], existing: Sequence[Answer]) -> StepResult:
    theirs, name = _find_template(expected, existing) or {}, _name(expected)
    status, category = str(theirs.get("status")), theirs.get("category")
    if status in WAITING:
        return report_open(name, f"is {status}", "Meta takes up to 24 hours: run this again.")
    if status == "REJECTED":
        reason = str(theirs.get("rejected_reason", "NONE"))
        advice = f"{REJECTIONS.get(reason, 'See its page in WhatsApp Manager.')} Change it there, or appeal."
        return report_problem(name, f"was rejected: {reason}", advice)
    ours = _find_template(expected, file)
    problem = compare_template(expected, *(msgspec.convert(raw, list[TemplateDefinition]) for raw in (file, existing)))
    if problem is not None:
        return report_problem(name, *problem)
    if ours and category != ours.get("category"):
        advice = (
            "It costs what that category costs: see `[prices]` in the county's file, or appeal in WhatsApp Manager."
        )
        return report_open(name, f"is {APPROVED}, but as {category}, not {ours.get('category')}", advice)
    return report_ok(name, f"is {status}, {category}")


async def _create(run: SetupRun, expected: ExpectedTemplate, file: Sequence[Answer], handle: str) -> StepResult:
    ours, name = _find_template(expected, file), _name(expected)
    if ours is None:
        return report_problem(name, "is not in our file of templates", "Add it there.")
    if expected.picture and not handle:
        advice = "Give --picture FILE, a JPEG or PNG" + ("." if run.app_id else ", and --app-id: an app uploads it.")
        return report_open(name, "needs a picture for Meta's reviewers", advice)
    try:
        answer = await run.build_client().post(f"{run.settings.waba_id}/message_templates", _fill_in(ours, handle))
    except GraphRefusal as refusal:
        return report_problem(name, *refusal.problem)
    text = f"was submitted as {answer.get('category')} and is {answer.get('status')}"
    if answer.get("status") == APPROVED:
        return report_ok(name, text)
    return report_open(name, text, "Meta takes up to 24 hours: run this again.")


def _fill_in(template: Answer, handle: str) -> Answer:
    """Return the template with the picture's handle in place of the note in our file."""
    components = [
        {**part, "example": {"header_handle": [handle]}} if part.get("format") == "IMAGE" else part
        for part in template["components"]
    ]
    return {**template, "components": components}


async def _upload_picture(run: SetupRun) -> str:
    """Return the handle of the picture, empty if none was given. Raises GraphRefusal."""
    path = run.picture
    if path is None:
        typed = run.ask("Picture for Meta's reviewers, JPEG or PNG (Enter: templates with a picture later)")
        path = Path(typed) if typed else None
    if path is None or run.app_id is None:
        return ""
    content, mime_type = _read_picture(path)
    return await run.build_client().upload(run.app_id, content, mime_type)


def _read_picture(path: Path) -> tuple[bytes, str]:
    try:
        content = path.read_bytes()
    except OSError as error:
        fail(f"{path} cannot be read: {error.strerror}", status=Exit.USAGE)
    mime_type = next((name for prefix, name in PICTURES.items() if content.startswith(prefix)), None)
    if mime_type is None or len(content) > MAX_PICTURE_BYTES:
        fail(f"{path} is not a JPEG or PNG of at most 5 MB.", status=Exit.USAGE)
    return content, mime_type


def check_number_format(number: str | None) -> None:
    """End the command with status 2 unless this is a number with + and country code."""
    if number is not None and not NUMBER.fullmatch(number):
        advice = "Begin with + and the country code, digits only."
        fail("--test-to is not a number such as +4947919300.", advice, Exit.USAGE)


async def send_first_message(run: SetupRun) -> Sequence[StepResult]:
    """Send one approved template, if a number was given and the operator agrees."""
    name, number = "test message", run.test_to
    if number is None:
        return [report_ok(name, "none sent; --test-to +49… sends one")]
    expected, file = _read_own_templates(run)
    existing = await _fetch_templates(run)
    usable = [
        ours
        for wanted in expected
        if not wanted.picture and (_find_template(wanted, existing) or {}).get("status") == APPROVED
        if (ours := _find_template(wanted, file))
    ]
    if not usable:
        return [report_open(name, "none sent: no template is approved yet", explain_code(132001).advice)]
    template = min(usable, key=lambda ours: ours.get("category") != "UTILITY")  # which costs less
    if not run.may(f"Send one message to {number}, template {template['name']}? Meta bills it like a notice."):
        return [report_open(name, "none sent")]
    path = f"{run.settings.phone_number_id}/messages"
    answer = await run.build_client().post(path, _build_test_message(template, number))
    if not answer.get("messages"):
        return [report_problem(name, "Meta's answer names no message", "Look at the phone, then try again.")]
    (message,) = answer["messages"]
    status = str(message.get("message_status", "accepted"))
    if status in DELAYED:
        return [report_problem(name, f"Meta has it, but it is {status}", explain_code(DELAYED[status]).advice)]
    return [report_ok(name, f"{status}: look at the phone, then answer with Start")]


def _build_test_message(template: Answer, number: str) -> dict[str, Any]:
    """Return the request that sends a template with the examples of our file as its parameters."""
    body = next(part for part in template["components"] if part["type"].upper() == "BODY")
    example = body.get("example", {})
    named = [
        {"type": "text", "parameter_name": parameter["param_name"], "text": parameter["example"]}
        for parameter in example.get("body_text_named_params", [])
    ]
    positional = [{"type": "text", "text": text} for text in next(iter(example.get("body_text", [])), [])]
    content = {"name": template["name"], "language": {"code": template["language"]}}
    components = [{"type": "body", "parameters": named or positional}]
    head = {"messaging_product": "whatsapp", "recipient_type": "individual", "to": number, "type": "template"}
    return {**head, "template": {**content, "components": components}}

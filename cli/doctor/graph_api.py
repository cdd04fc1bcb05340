"""Checks of Meta's Graph API: the dispatcher's token, and whether each topic's template exists with our parameters."""

import re
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import aiohttp
import msgspec
from msgspec import Struct

from cli.doctor.findings import DoctorProblem
from cli.meta import Answer, GraphRefusal, MetaClient, build_foreign_answer
from services.dispatcher.settings import Settings
from shared.notices.configuration import ConfigurationError, Topic

APPROVED = "APPROVED"
PICTURE = "HEADER IMAGE"
MEDIA = ("IMAGE", "VIDEO", "DOCUMENT")
TEMPLATE_FIELDS = "name,language,status,parameter_format,components"
MAX_TEMPLATES = "100"
_PARAMETER = re.compile(r"\{\{\s*(\w+)\s*\}\}")


class ComponentDefinition(Struct):
    type: str
    text: str = ""
    format: str | None = None

    @property
    def parameters(self) -> set[str]:
        """Parameters to be sent for this component: named ones, or a medium."""
        names = {f"{self.type.upper()} {name}" for name in _PARAMETER.findall(self.text)}
        medium = (self.format or "").upper()
        return names | {f"{self.type.upper()} {medium}"} if medium in MEDIA else names


class TemplateDefinition(Struct):
    """A template in one language, as in our file and at Meta; our file has no status."""

    name: str
    language: str
    components: list[ComponentDefinition]
    parameter_format: str = "positional"
    status: str = ""

    @property
    def parameters(self) -> tuple[str, ...]:
        """The parameter format, then the parameters of all components in alphabetical order."""
        sent = {parameter for part in self.components for parameter in part.parameters}
        return (self.parameter_format.lower(), *sorted(sent))


class ExpectedTemplate(NamedTuple):
    """A template that a topic uses; `picture`: with an image header."""

    name: str
    language: str
    picture: bool = False


def list_expected(topic: Topic) -> list[ExpectedTemplate]:
    """Return the topic's template, and the one with a picture if the topic has it."""
    templates = [ExpectedTemplate(topic.template, topic.language)]
    if topic.picture_template is not None:
        templates.append(ExpectedTemplate(topic.picture_template, topic.language, picture=True))
    return templates


async def check_ca_file(path: str) -> DoctorProblem | None:
    """Check the file of SSL_CERT_FILE: if it is unreadable, OpenSSL silently trusts the other CAs only."""
    try:
        ssl.create_default_context(cafile=path)
    except OSError as error:
        reason = "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
        advice = 'Put the CA there in PEM, world-readable (operators\' guide, "Connection to Meta").'
        return DoctorProblem(f"{path}: {reason}", advice)
    return None


def read_definitions(path: Path) -> list[TemplateDefinition]:
    """Read our own templates. Raises ConfigurationError."""
    return msgspec.convert(read_whole_definitions(path), list[TemplateDefinition])


def read_whole_definitions(path: Path) -> list[Answer]:
    """Read our own templates as Meta gets them. Raises ConfigurationError."""
    try:
        file = msgspec.json.decode(path.read_text("utf-8-sig"), type=list[Answer])
        msgspec.convert(file, list[TemplateDefinition])
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: {error}") from None
    return file


async def check_number(settings: Settings) -> DoctorProblem | None:
    """Check that the dispatcher's token may use our phone number."""
    try:
        number = await _fetch(settings, settings.phone_number_id, fields="id")
    except GraphRefusal as refusal:
        return refusal.problem
    if number.get("id") == settings.phone_number_id:
        return None
    return DoctorProblem("Meta answers with another number", "Check KREISFUNK_PHONE_NUMBER_ID.")


async def check_template(
    settings: Settings, account: str, expected: ExpectedTemplate, definitions: Sequence[TemplateDefinition]
) -> DoctorProblem | None:
    """Check that the template exists at Meta, approved, in its language, with our parameters."""
    query = {"name": expected.name, "fields": TEMPLATE_FIELDS, "limit": MAX_TEMPLATES}
    try:
        answer = await _fetch(settings, f"{account}/message_templates", **query)
        existing = msgspec.convert(answer.get("data"), list[TemplateDefinition])
    except GraphRefusal as refusal:
        return refusal.problem
    except msgspec.ValidationError:
        return build_foreign_answer()
    return compare_template(expected, definitions, existing)


async def _fetch(settings: Settings, path: str, **query: str) -> Answer:
    url = f"{str(settings.graph_url).rstrip('/')}/{settings.graph_version}"
    async with aiohttp.ClientSession() as session:
        client = MetaClient(session=session, base_url=url, token=settings.graph_token.get_secret_value())
        return await client.fetch(path, **query)


def compare_template(
    expected: ExpectedTemplate, definitions: Sequence[TemplateDefinition], existing: Sequence[TemplateDefinition]
) -> DoctorProblem | None:
    ours, theirs = _find_template(expected, definitions), _find_template(expected, existing)
    if ours is None:
        problem, advice = "is not in our file of templates", "Add it there, or correct the county's file."
    elif expected.picture != (PICTURE in ours.parameters):
        problem, advice = f"has {'no' if expected.picture else 'an'} image above it", "Correct our file of templates."
    elif theirs is None:
        problem, advice = "does not exist at Meta", "`kreisfunk setup` creates it from our file of templates."
    elif theirs.status != APPROVED:
        problem, advice = f"is {theirs.status}", "See its page in WhatsApp Manager; notices would not be sent."
    elif theirs.parameters != ours.parameters:
        problem = "has other parameters at Meta"
        advice = "Create a new version from our file of templates, and name it in the county's file."
    else:
        return None
    return DoctorProblem(f"{expected.name} in language {expected.language} {problem}", advice)


def _find_template(expected: ExpectedTemplate, templates: Sequence[TemplateDefinition]) -> TemplateDefinition | None:
    key = (expected.name, expected.language)
    return next((template for template in templates if (template.name, template.language) == key), None)

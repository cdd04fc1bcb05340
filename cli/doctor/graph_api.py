"""Checks of Meta's Graph API: the token, and whether each topic's template exists with our parameters."""

import re
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from msgspec import Struct

from cli.doctor.findings import DoctorProblem
from services.dispatcher.settings import Settings
from shared.notices.configuration import Topic

INVALID_TOKEN = 190
APPROVED = "APPROVED"
PICTURE = "HEADER IMAGE"
MEDIA = ("IMAGE", "VIDEO", "DOCUMENT")
TEMPLATE_FIELDS = "name,language,status,parameter_format,components"
MAX_TEMPLATES = "100"
_PARAMETER = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_AUTHORIZATION_ADVICE = (
    "Make a new system user token with whatsapp_business_messaging and whatsapp_business_management, and set "
    "KREISFUNK_GRAPH_TOKEN."
)
_WAY_ADVICE = '(operators\' guide, "The way to Meta").'


class ComponentDefinition(Struct):
    """A component of a template."""

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


@dataclass(frozen=True, kw_only=True)
class ExpectedTemplate:
    """A template that a topic uses; `picture`: with an image header."""

    name: str
    language: str
    picture: bool = False


def list_expected_templates(topic: Topic) -> list[ExpectedTemplate]:
    """Return the topic's template, and the one with a picture if the topic has it."""
    usual = [ExpectedTemplate(name=topic.template, language=topic.language)]
    if topic.picture_template is None:
        return usual
    return [*usual, ExpectedTemplate(name=topic.picture_template, language=topic.language, picture=True)]


class TemplatePage(Struct):
    """Meta's answer to a query for templates."""

    data: list[TemplateDefinition]


class GraphRefusal(Exception):
    """Meta could not be reached or did not answer with status 200; `problem` says why."""

    def __init__(self, problem: DoctorProblem) -> None:
        super().__init__(problem.what)
        self.problem = problem


def read_definitions(path: Path) -> list[TemplateDefinition]:
    """Read our own templates. Raises OSError or msgspec.DecodeError."""
    return msgspec.json.decode(path.read_bytes(), type=list[TemplateDefinition])


@dataclass(frozen=True, kw_only=True)
class GraphClient:
    """Read-only client of the Graph API with the dispatcher's credentials."""

    settings: Settings

    async def check_number(self) -> DoctorProblem | None:
        """Check that the token may use our phone number."""
        try:
            number = msgspec.json.decode(await self._get(self.settings.phone_number_id, {"fields": "id"}))
        except (GraphRefusal, msgspec.DecodeError) as error:
            return _convert_error(error)
        if number.get("id") == self.settings.phone_number_id:
            return None
        return DoctorProblem("Meta answers with another number", "Check KREISFUNK_PHONE_NUMBER_ID.")

    async def check_template(
        self, account: str, wanted: ExpectedTemplate, definitions: Sequence[TemplateDefinition]
    ) -> DoctorProblem | None:
        """Check that the template exists at Meta, approved, in its language, with our parameters."""
        query = {"name": wanted.name, "fields": TEMPLATE_FIELDS, "limit": MAX_TEMPLATES}
        try:
            body = await self._get(f"{account}/message_templates", query)
            existing = msgspec.json.decode(body, type=TemplatePage).data
        except (GraphRefusal, msgspec.DecodeError) as error:
            return _convert_error(error)
        return compare_template(wanted, definitions, existing)

    async def _get(self, path: str, query: Mapping[str, str]) -> bytes:
        """Return the body of an answer with status 200. Raises GraphRefusal."""
        url = f"{str(self.settings.graph_url).rstrip('/')}/{self.settings.graph_version}/{path}"
        headers = {"Authorization": f"Bearer {self.settings.graph_token.get_secret_value()}"}
        try:
            async with aiohttp.ClientSession() as session, session.get(url, params=query, headers=headers) as answer:
                body = await answer.read()
        except aiohttp.ClientError as error:
            raise GraphRefusal(explain_connection_error(error)) from None
        if answer.status != 200:
            raise GraphRefusal(explain_refusal(answer.status, _parse_code(body)))
        return body


def explain_connection_error(error: aiohttp.ClientError) -> DoctorProblem:
    """Return the problem behind a request to Meta that got no answer."""
    match error:
        case aiohttp.ClientConnectorDNSError():
            return DoctorProblem("its name is not found", "Check KREISFUNK_GRAPH_URL and this machine's DNS.")
        case aiohttp.ClientConnectorCertificateError(certificate_error=ssl.SSLCertVerificationError() as cause):
            advice = (
                "Check KREISFUNK_GRAPH_URL; a CA of one's own has to be named (operators' guide, \"The way to Meta\")."
            )
            return DoctorProblem(f"its certificate is not trusted: {cause.verify_message}", f"{advice} {_WAY_ADVICE}")
        case aiohttp.ClientConnectorError():
            reason = type(error.os_error).__name__
        case _:
            reason = type(error).__name__
    advice = 'Check KREISFUNK_GRAPH_URL and the way out to the internet (operators\' guide, "The way to Meta").'
    return DoctorProblem(f"cannot be reached: {reason}", advice)


def explain_refusal(status: int, code: int | None) -> DoctorProblem:
    """Return the problem behind an answer with a status other than 200."""
    if code == INVALID_TOKEN or status == 401:
        return DoctorProblem("Meta does not accept the token", _AUTHORIZATION_ADVICE)
    advice = "Check the ids of number and account, KREISFUNK_GRAPH_VERSION, and what the token may use."
    return DoctorProblem(f"Meta answers with status {status}, code {code}", advice)


def compare_template(
    wanted: ExpectedTemplate, definitions: Sequence[TemplateDefinition], existing: Sequence[TemplateDefinition]
) -> DoctorProblem | None:
    """Compare the template that we send with the one that Meta has."""
    ours, theirs = _find_template(wanted, definitions), _find_template(wanted, existing)
    name = f"{wanted.name} in language {wanted.language}"
    if ours is None:
        return DoctorProblem(f"{name} is not in our file of templates", "Add it there, or correct the county's file.")
    if wanted.picture != (PICTURE in ours.parameters):
        return DoctorProblem(
            f"{name} has {'no' if wanted.picture else 'an'} image above it", "Correct our file of templates."
        )
    if theirs is None:
        return DoctorProblem(f"{name} does not exist at Meta", "Create it there from our file of templates.")
    if theirs.status != APPROVED:
        return DoctorProblem(
            f"{name} is {theirs.status}", "See its page in WhatsApp Manager; notices would not be sent."
        )
    if theirs.parameters != ours.parameters:
        advice = "Create a new version from our file of templates, and name it in the county's file."
        return DoctorProblem(f"{name} has other parameters at Meta", advice)
    return None


def _find_template(wanted: ExpectedTemplate, templates: Sequence[TemplateDefinition]) -> TemplateDefinition | None:
    named = (wanted.name, wanted.language)
    return next((template for template in templates if (template.name, template.language) == named), None)


def _convert_error(error: GraphRefusal | msgspec.DecodeError) -> DoctorProblem:
    if isinstance(error, GraphRefusal):
        return error.problem
    return DoctorProblem("the answer is not Meta's", "Check KREISFUNK_GRAPH_URL: something else answers there.")


def _parse_code(body: bytes) -> int | None:
    try:
        answer: dict[str, Any] = msgspec.json.decode(body)
        code = answer["error"]["code"]
    except (msgspec.DecodeError, KeyError, TypeError):
        return None
    return code if isinstance(code, int) else None

"""One template: its approved definition, and its text with parameters filled in."""

import re
from collections.abc import Sequence
from typing import Any, Literal

from msgspec import Struct

from simulator.citizens import PhoneButton, PhoneContent
from simulator.graph import lengths
from simulator.graph.errors import GraphError, build_invalid_parameter, build_missing_parameter
from simulator.graph.requests import ComponentParameters, MediaReference, Parameter

VARIABLE = re.compile(r"\{\{\s*([a-z0-9_]+)\s*\}\}")
FORBIDDEN_IN_PARAMETER = re.compile(r"[\n\r\t]| {5}")

Status = Literal["APPROVED", "PENDING", "PAUSED", "DISABLED", "REJECTED"]


class TemplateButton(Struct, omit_defaults=True):
    type: str
    text: str = ""
    url: str | None = None
    phone_number: str | None = None
    example: Any = None


class TemplateComponent(Struct, omit_defaults=True):
    type: str
    format: str | None = None
    text: str = ""
    buttons: list[TemplateButton] = []
    example: Any = None

    @property
    def variables(self) -> list[str]:
        """Names of the variables in order of appearance, each once."""
        return list(dict.fromkeys(VARIABLE.findall(self.text)))


class MessageTemplate(Struct):
    """One template in one language, as created at Meta."""

    name: str
    language: str
    category: Literal["MARKETING", "UTILITY", "AUTHENTICATION"]
    components: list[TemplateComponent]
    parameter_format: Literal["named", "positional", "NAMED", "POSITIONAL"] = "positional"
    status: Status = "APPROVED"
    id: str = ""
    rejected_reason: str = "NONE"

    @property
    def named(self) -> bool:
        return self.parameter_format.lower() == "named"

    def find_component(self, component_type: str) -> TemplateComponent:
        """Return the component of this type; an empty one if there is none."""
        matching = (component for component in self.components if component.type.upper() == component_type)
        return next(matching, TemplateComponent(component_type))

    def fill(self, components: Sequence[ComponentParameters]) -> PhoneContent:
        """Return the content for the phone with these parameters; raise GraphError if they do not fit."""
        return PhoneContent(
            self._fill_text(self.find_component("BODY"), _find_parameters(components, "body"), lengths.TEMPLATE_BODY),
            header=self._fill_header(_find_parameters(components, "header")),
            footer=self.find_component("FOOTER").text,
            buttons=self._fill_buttons(components),
        )

    def _fill_header(self, parameters: Sequence[Parameter]) -> str:
        header = self.find_component("HEADER")
        media_type = (header.format or "TEXT").lower()
        if media_type == "text":
            return self._fill_text(header, parameters, lengths.TEMPLATE_HEADER)
        if len(parameters) != 1:
            raise _build_count_error("header", 1, len(parameters))
        media: MediaReference | None = getattr(parameters[0], media_type, None)
        if media is None or media.link is None:
            raise build_missing_parameter(f"header.{media_type}.link")
        if not media.link.startswith(("https://", "http://")):
            raise build_invalid_parameter(f"header.{media_type}.link must be a web address.")
        return f"[{media_type}]"

    def _fill_text(self, component: TemplateComponent, parameters: Sequence[Parameter], limit: int) -> str:
        variables = component.variables
        if len(variables) != len(parameters):
            raise _build_count_error(component.type.lower(), len(variables), len(parameters))
        values = self._match_values(variables, parameters)
        text = VARIABLE.sub(lambda match: values[match[1]], component.text)
        if len(text) > limit:
            raise GraphError(132005, f"{component.type.lower()}: more than {limit} characters after substitution.")
        return text

    def _match_values(self, variables: list[str], parameters: Sequence[Parameter]) -> dict[str, str]:
        names = [parameter.parameter_name for parameter in parameters] if self.named else variables
        if set(names) != set(variables):
            raise GraphError(132012, "The names of the parameters differ from those of the template.")
        return {str(name): _read_value(parameter) for name, parameter in zip(names, parameters, strict=True)}

    def _fill_buttons(self, parameters: Sequence[ComponentParameters]) -> tuple[PhoneButton, ...]:
        buttons = [button for component in self.components for button in component.buttons]
        own = [component for component in parameters if component.type == "button"]
        by_index = {_read_index(component, len(buttons)): component for component in own}
        return tuple(_fill_button(button, by_index.get(index)) for index, button in enumerate(buttons))


def _find_parameters(components: Sequence[ComponentParameters], component_type: str) -> Sequence[Parameter]:
    return next((component.parameters for component in components if component.type.lower() == component_type), [])


def _build_count_error(part: str, expected: int, actual: int) -> GraphError:
    return GraphError(132000, f"{part}: {actual} parameters were given, the template has {expected}.")


def _read_value(parameter: Parameter) -> str:
    if parameter.type != "text":
        raise GraphError(132012, "The type of the parameter must be text.")
    if not parameter.text:
        raise build_missing_parameter("parameter.text")
    if FORBIDDEN_IN_PARAMETER.search(parameter.text):
        raise GraphError(132018, "A parameter may not contain line breaks, tabs or more than 4 spaces in a row.")
    return parameter.text


def _read_index(component: ComponentParameters, count: int) -> int:
    text = str(component.index)
    if not text.isascii() or not text.isdigit() or int(text) >= count:
        raise GraphError(132012, "The template has no button with this index.")
    return int(text)


def _fill_button(button: TemplateButton, component: ComponentParameters | None) -> PhoneButton:
    button_type = button.type.lower()
    if component is not None and (component.sub_type or "").lower() != button_type:
        raise GraphError(132012, "The sub_type of a button is not the template's.")
    parameters = component.parameters if component else []
    if button_type == "quick_reply":
        payload = (parameters[0].payload if parameters else None) or button.text
        lengths.limit_length(payload, lengths.PAYLOAD, "payload")
        return PhoneButton(payload, button.text, "template")
    expected = len(VARIABLE.findall(button.url or ""))
    if len(parameters) != expected:
        raise _build_count_error("button", expected, len(parameters))
    return PhoneButton("", button.text, button_type)

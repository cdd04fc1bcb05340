"""Templates of the business account: loaded, validated as Meta would, chosen by name and language."""

import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from simulator.graph import lengths
from simulator.graph.errors import GraphError, build_missing_parameter
from simulator.graph.requests import TemplateChoice
from simulator.graph.template import VARIABLE, MessageTemplate
from simulator.settings import PREFIX, SettingsError

NAME = re.compile(r"[a-z0-9_]+")
FIRST_TEMPLATE_ID = 5_550_001
# Meta's subcodes for templates that are not accepted for review.
NAME_TAKEN = 2388024
TOO_LONG = 2388040
EXAMPLE_MISSING = 2388043
VARIABLE_AT_END = 2388299


class Templates:
    def __init__(self, templates: Sequence[MessageTemplate]) -> None:
        self.all = list(templates)
        self._by_key = {(template.name, template.language): template for template in templates}

    @classmethod
    def load(cls, path: Path) -> "Templates":
        """Load a JSON list of create-template bodies; raise SettingsError if it is unusable."""
        try:
            templates = msgspec.json.decode(path.read_bytes(), type=list[MessageTemplate])
        except (OSError, msgspec.MsgspecError) as error:
            raise SettingsError(f"{PREFIX}TEMPLATES_FILE: {error}") from error
        for index, template in enumerate(templates):
            template.id = template.id or str(FIRST_TEMPLATE_ID + index)
            check_definition(template)
        return cls(templates)

    def submit(self, template: MessageTemplate) -> None:
        """Add a template for review; raise Meta's error if it would not be accepted."""
        if (template.name, template.language) in self._by_key:
            raise GraphError(100, "There is already a template of this name in this language.", subcode=NAME_TAKEN)
        check_submission(template)
        template.id = str(FIRST_TEMPLATE_ID + len(self.all))
        template.status = "PENDING"
        self.all.append(template)
        self._by_key[template.name, template.language] = template

    def find_named(self, name: str) -> list[MessageTemplate]:
        return [template for template in self.all if template.name == name]

    def choose(self, choice: TemplateChoice) -> MessageTemplate:
        """Return the template to send; raise Meta's error if there is none or it may not be sent."""
        if not choice.name:
            raise build_missing_parameter("template.name")
        if not choice.language.code:
            raise build_missing_parameter("template.language.code")
        lengths.limit_length(choice.name, lengths.TEMPLATE_NAME, "template.name")
        template = self._by_key.get((choice.name, choice.language.code))
        if template is None or template.status in ("PENDING", "REJECTED"):
            raise GraphError(132001, "There is no approved template of this name in this language.")
        if template.status == "PAUSED":
            raise GraphError(132015, "The template is paused because of low quality.")
        if template.status == "DISABLED":
            raise GraphError(132016, "The template is disabled permanently.")
        return template


def check_definition(template: MessageTemplate) -> None:
    """Raise SettingsError if Meta would not accept this template of the file."""
    if problems := _find_problems(template):
        raise SettingsError(f"{PREFIX}TEMPLATES_FILE: {template.name}: {'; '.join(problems)}")


def check_submission(template: MessageTemplate) -> None:
    """Raise Meta's error if the template would not be accepted for review."""
    for problem in _find_problems(template):
        raise GraphError(100, problem, subcode=TOO_LONG if "too long" in problem else None)
    for component in template.components:
        text = component.text.strip()
        if component.type.upper() == "BODY" and (VARIABLE.match(text) or text.endswith("}}")):
            raise GraphError(100, "A variable may not be first or last.", subcode=VARIABLE_AT_END)
        if not component.example and (component.variables or component.format not in (None, "TEXT")):
            details = f"The {component.type} is missing its example."
            raise GraphError(100, details, subcode=EXAMPLE_MISSING)


def _find_problems(template: MessageTemplate) -> list[str]:
    header, body, footer = (template.find_component(name) for name in ("HEADER", "BODY", "FOOTER"))
    buttons = [button for component in template.components for button in component.buttons]
    rules = (
        (not NAME.fullmatch(template.name), "name may have a-z, 0-9 and _ only"),
        (len(template.name) > lengths.TEMPLATE_NAME, "name is too long"),
        (not body.text, "BODY is missing"),
        (len(body.text) > lengths.TEMPLATE_BODY, "BODY is too long"),
        (len(header.text) > lengths.TEMPLATE_HEADER, "HEADER is too long"),
        (len(header.variables) > 1, "HEADER may have one variable"),
        (len(footer.text) > lengths.TEMPLATE_FOOTER, "FOOTER is too long"),
        (bool(footer.variables), "FOOTER may have no variable"),
        (len(buttons) > lengths.TEMPLATE_BUTTONS, "too many buttons"),
        (any(len(button.text) > lengths.TEMPLATE_BUTTON_TEXT for button in buttons), "a button's text is too long"),
    )
    return [problem for is_broken, problem in rules if is_broken]

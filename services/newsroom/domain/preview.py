"""Preview: the message as WhatsApp shows it, with the fixed text of the topic's template."""

import re
from collections.abc import Iterator, Mapping

from msgspec import Struct

from services.newsroom.domain.drafts import DraftContent
from services.newsroom.domain.outbox import CODE_LENGTH_IN_TEXT
from shared.contracts.text import count_units
from shared.notices.configuration import Topic
from shared.notices.rules import MAX_CONTENT_LENGTH

_PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")
_MARKED = re.compile(r"(?<!\w)([*_])(?=\S)(.+?)(?<=\S)\1(?!\w)")
EXAMPLE_CODE = "ABCD-EFGH"
MAX_LENGTH = MAX_CONTENT_LENGTH - CODE_LENGTH_IN_TEXT


class PreviewButton(Struct, frozen=True, kw_only=True):
    """Button of a template."""

    text: str


class TemplatePart(Struct, frozen=True, kw_only=True):
    """Component of a template, as submitted to Meta."""

    type: str
    text: str = ""
    buttons: tuple[PreviewButton, ...] = ()


class TemplateText(Struct, frozen=True, kw_only=True):
    """Template, as submitted to Meta."""

    name: str
    components: tuple[TemplatePart, ...]

    def find_text(self, part_type: str) -> str:
        return next((part.text for part in self.components if part.type == part_type), "")


_PLAIN = TemplateText(name="", components=(TemplatePart(type="BODY", text="*{{headline}}*\n\n{{text}}"),))


class Segment(Struct, frozen=True, kw_only=True):
    """Part of a line with the same formatting; `placeholder`: the line has fields that are still empty.

    The code of the notice is a segment of its own, as it must not wrap.
    """

    text: str
    bold: bool = False
    italic: bool = False
    placeholder: bool = False
    is_code: bool = False


class Preview(Struct, frozen=True, kw_only=True):
    """Message as WhatsApp shows it; each line consists of segments."""

    lines: tuple[tuple[Segment, ...], ...]
    picture: str = ""
    footer: str = ""
    buttons: tuple[str, ...] = ()


def count_length(content: DraftContent) -> int:
    """Return the number of characters in headline, text and link together; MAX_LENGTH leaves room for the code."""
    return count_units(content.headline + content.text + content.link)


def build_preview(
    content: DraftContent, topic: Topic | None, templates: Mapping[str, TemplateText], code: str = EXAMPLE_CODE
) -> Preview:
    """Build the message that citizens get; only its text if the topic or the template is unknown."""
    template = _choose_template(topic, templates)
    return Preview(
        lines=tuple(tuple(_split_line(line, content, code)) for line in template.find_text("BODY").split("\n")),
        picture=content.picture,
        footer=template.find_text("FOOTER"),
        buttons=tuple(button.text for part in template.components for button in part.buttons),
    )


def build_trial_text(content: DraftContent, topic: Topic | None, templates: Mapping[str, TemplateText]) -> str:
    """Return the same message as plain text, in which WhatsApp renders `*` and `_` as bold and italics."""
    template = _choose_template(topic, templates)
    footer = template.find_text("FOOTER")
    return _fill_line(template.find_text("BODY"), content, EXAMPLE_CODE) + (footer and f"\n\n{footer}")


def _choose_template(topic: Topic | None, templates: Mapping[str, TemplateText]) -> TemplateText:
    return templates.get(topic.template, _PLAIN) if topic else _PLAIN


def _split_line(line: str, content: DraftContent, code: str) -> Iterator[Segment]:
    """Yield the segments of a template line, with `*` and `_` for bold and italics as in WhatsApp."""
    is_placeholder = any(not getattr(content, name, "-") for name in _PLACEHOLDER.findall(line))
    filled = _fill_line(line, content, code)
    position = 0
    for match in _MARKED.finditer(filled):
        if match.start() > position:
            yield from _split_code(filled[position : match.start()], code, placeholder=is_placeholder)
        yield Segment(text=match[2], bold=match[1] == "*", italic=match[1] == "_", placeholder=is_placeholder)
        position = match.end()
    if position < len(filled):
        yield from _split_code(filled[position:], code, placeholder=is_placeholder)


def _split_code(text: str, code: str, *, placeholder: bool) -> Iterator[Segment]:
    before, match, after = text.rpartition(code)
    for part, is_code in ((before, False), (match, True), (after, False)):
        if part:
            yield Segment(text=part, placeholder=placeholder, is_code=is_code)


def _fill_line(line: str, content: DraftContent, code: str) -> str:
    text = f"{content.text} Prüfcode: {code} {content.link}".strip() if content.text else ""
    values = {"headline": content.headline or "Überschrift", "text": text or "Text der Meldung"}
    return _PLACEHOLDER.sub(lambda match: values.get(match[1], ""), line)

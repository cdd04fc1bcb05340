"""Preview: the message as WhatsApp shows it, with the fixed text of the topic's template."""

import re
from collections.abc import Iterator, Mapping

from msgspec import Struct, field

from services.newsroom.domain.drafts import DraftContent
from services.newsroom.domain.outbox import CODE_LENGTH_IN_TEXT
from shared.notices.configuration import Topic
from shared.notices.rules import MAX_CONTENT_LENGTH

_PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")
_MARKED = re.compile(r"(?<!\w)([*_])(?=\S)(.+?)(?<=\S)\1(?!\w)")
EXAMPLE_CODE = "ABCD-EFGH"


class PreviewButton(Struct, frozen=True, kw_only=True):
    """Button of a template."""

    text: str


class TemplatePart(Struct, frozen=True, kw_only=True):
    """Part of a template, as it was submitted to Meta."""

    type: str
    text: str = ""
    buttons: tuple[PreviewButton, ...] = ()


class TemplateText(Struct, frozen=True, kw_only=True):
    """Template, as it was submitted to Meta."""

    name: str
    components: tuple[TemplatePart, ...]

    def find_text(self, kind: str) -> str:
        return next((part.text for part in self.components if part.type == kind), "")


_PLAIN = TemplateText(name="", components=(TemplatePart(type="BODY", text="*{{headline}}*\n\n{{text}}"),))


class Segment(Struct, frozen=True, kw_only=True):
    """Stretch of a line with one look; in a `placeholder` line something has not been written yet.

    The code of the notice is one of its own, as it is not divided at a line's end.
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
    buttons: tuple[str, ...] = field(default=())


class LengthCount(Struct, frozen=True, kw_only=True):
    """Characters of headline, text and link together, and how many fit beside the code."""

    used: int
    most: int = MAX_CONTENT_LENGTH - CODE_LENGTH_IN_TEXT


def count_length(content: DraftContent) -> LengthCount:
    """Count as WhatsApp does at its strictest: an emoji is two characters."""
    counted = (content.headline, content.text, content.link)
    used = sum(len(each.encode("utf-16-le", "surrogatepass")) // 2 for each in counted)
    return LengthCount(used=used)


def build_preview(
    content: DraftContent, topic: Topic | None, templates: Mapping[str, TemplateText], code: str = EXAMPLE_CODE
) -> Preview:
    """Return the message that a citizen gets; without a topic, or with an unknown template, its text only."""
    template = _choose_template(topic, templates)
    return Preview(
        lines=tuple(tuple(_split_line(line, content, code)) for line in template.find_text("BODY").split("\n")),
        picture=content.picture,
        footer=template.find_text("FOOTER"),
        buttons=tuple(button.text for part in template.components for button in part.buttons),
    )


def build_trial_text(content: DraftContent, topic: Topic | None, templates: Mapping[str, TemplateText]) -> str:
    """Return the same message as a plain text, in which WhatsApp itself shows `*` and `_` as bold and italics."""
    template = _choose_template(topic, templates)
    footer = template.find_text("FOOTER")
    return _fill_line(template.find_text("BODY"), content, EXAMPLE_CODE) + (footer and f"\n\n{footer}")


def _choose_template(topic: Topic | None, templates: Mapping[str, TemplateText]) -> TemplateText:
    return templates.get(topic.template, _PLAIN) if topic else _PLAIN


def _split_line(line: str, content: DraftContent, code: str) -> Iterator[Segment]:
    """Yield the segments of a line of the template, in which `*` and `_` mark bold and italics as in WhatsApp."""
    missing = any(not getattr(content, name, "-") for name in _PLACEHOLDER.findall(line))
    filled = _fill_line(line, content, code)
    position = 0
    for marked in _MARKED.finditer(filled):
        if marked.start() > position:
            yield from _split_code(filled[position : marked.start()], code, placeholder=missing)
        yield Segment(text=marked[2], bold=marked[1] == "*", italic=marked[1] == "_", placeholder=missing)
        position = marked.end()
    if position < len(filled):
        yield from _split_code(filled[position:], code, placeholder=missing)


def _split_code(text: str, code: str, *, placeholder: bool) -> Iterator[Segment]:
    before, found, after = text.rpartition(code)
    for part, is_code in ((before, False), (found, True), (after, False)):
        if part:
            yield Segment(text=part, placeholder=placeholder, is_code=is_code)


def _fill_line(line: str, content: DraftContent, code: str) -> str:
    text = f"{content.text} Prüfcode: {code} {content.link}".strip() if content.text else ""
    values = {"headline": content.headline or "Überschrift", "text": text or "Text der Meldung"}
    return _PLACEHOLDER.sub(lambda found: values.get(found[1], ""), line)

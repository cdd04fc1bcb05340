"""From a request to what the phone will show, or to Meta's error."""

from collections.abc import Callable

from simulator.citizens import Button, Content
from simulator.graph import lengths
from simulator.graph.errors import GraphError, invalid, required
from simulator.graph.lengths import at_most, between, count_between, distinct
from simulator.graph.requests import Interactive, Media, MessageRequest
from simulator.graph.templates import Templates

MEDIA_TYPES = ("image", "document", "video", "audio")

HasMedia = Callable[[str], bool]


class Reading:
    """Checks requests against the templates and the uploaded media."""

    def __init__(self, *, templates: Templates, has_media: HasMedia) -> None:
        self._templates = templates
        self._has_media = has_media

    def read(self, request: MessageRequest) -> tuple[Content, str]:
        """What the phone will show, and the price category."""
        at_most(request.biz_opaque_callback_data, lengths.CALLBACK_DATA, "biz_opaque_callback_data")
        if request.type == "template":
            return self._template(request)
        if request.type == "text":
            return _text(request), "service"
        if request.type == "interactive":
            return _interactive(request), "service"
        if request.type in MEDIA_TYPES:
            return self._media(request), "service"
        raise GraphError(131051, "This message type is not supported.")

    def _template(self, request: MessageRequest) -> tuple[Content, str]:
        if request.template is None:
            raise required("template")
        template = self._templates.choose(request.template)
        return template.fill(request.template.components, self.check_media), template.category.lower()

    def _media(self, request: MessageRequest) -> Content:
        media: Media | None = getattr(request, request.type)
        self.check_media(media, request.type)
        caption = (media and media.caption) or ""
        at_most(caption, lengths.CAPTION, "caption")
        return Content(caption, header=_file_name(media, request.type))

    def check_media(self, media: Media | None, name: str) -> None:
        if media is None:
            raise required(name)
        if (media.id is None) == (media.link is None):
            raise required(f"{name}: either id or link")
        if media.link is not None and not media.link.startswith(("https://", "http://")):
            raise invalid(f"{name}.link must be a web address.")
        if media.id is not None and not self._has_media(media.id):
            raise invalid(f"{name}.id is not the id of an uploaded file.")


def _file_name(media: Media | None, kind: str) -> str:
    name = (media and media.filename) or ""
    return f"[{kind}] {name}".rstrip()


def _text(request: MessageRequest) -> Content:
    if request.text is None or not request.text.body:
        raise required("text.body")
    at_most(request.text.body, lengths.TEXT_BODY, "text.body")
    return Content(request.text.body)


def _interactive(request: MessageRequest) -> Content:
    interactive = request.interactive
    if interactive is None:
        raise required("interactive")
    if interactive.type == "button":
        return _with_buttons(interactive)
    if interactive.type == "list":
        return _with_list(interactive)
    raise invalid("interactive.type must be button or list.")


def _with_buttons(interactive: Interactive) -> Content:
    between(interactive.body.text, lengths.BUTTON_BODY, "interactive.body.text")
    replies = [button.reply for button in interactive.action.buttons]
    count_between(len(replies), lengths.BUTTONS, "action.buttons")
    for reply in replies:
        between(reply.id, lengths.BUTTON_ID, "reply.id")
        between(reply.title, lengths.BUTTON_TITLE, "reply.title")
    distinct([reply.id for reply in replies], "reply.id")
    distinct([reply.title for reply in replies], "reply.title")
    return _content(interactive, tuple(Button(reply.id, reply.title, "button_reply") for reply in replies))


def _with_list(interactive: Interactive) -> Content:
    action = interactive.action
    between(interactive.body.text, lengths.LIST_BODY, "interactive.body.text")
    between(action.button, lengths.LIST_BUTTON, "action.button")
    count_between(len(action.sections), lengths.SECTIONS, "action.sections")
    for section in action.sections:
        if len(action.sections) > 1:
            between(section.title, lengths.SECTION_TITLE, "section.title")
        at_most(section.title, lengths.SECTION_TITLE, "section.title")
    rows = [row for section in action.sections for row in section.rows]
    count_between(len(rows), lengths.ROWS, "rows of all sections")
    for row in rows:
        between(row.id, lengths.ROW_ID, "row.id")
        between(row.title, lengths.ROW_TITLE, "row.title")
        at_most(row.description, lengths.ROW_DESCRIPTION, "row.description")
    distinct([row.id for row in rows], "row.id")
    return _content(interactive, tuple(Button(row.id, row.title, "list_reply", row.description) for row in rows))


def _content(interactive: Interactive, buttons: tuple[Button, ...]) -> Content:
    header = interactive.header.text if interactive.header else ""
    footer = interactive.footer.text if interactive.footer else ""
    at_most(header, lengths.HEADER, "interactive.header.text")
    at_most(footer, lengths.FOOTER, "interactive.footer.text")
    return Content(interactive.body.text, header=header, footer=footer, buttons=buttons)

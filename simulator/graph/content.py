"""Conversion of a request to the content that the phone shows, or to Meta's error."""

from simulator.citizens import PhoneButton, PhoneContent
from simulator.graph import lengths
from simulator.graph.errors import GraphError, build_invalid_parameter, build_missing_parameter
from simulator.graph.lengths import limit_length, require_count, require_distinct, require_text
from simulator.graph.requests import InteractiveRequest, MessageRequest
from simulator.graph.templates import Templates


def read_content(request: MessageRequest, templates: Templates) -> tuple[PhoneContent, str]:
    """Return the content for the phone and the price category; raise GraphError if the request is invalid."""
    limit_length(request.biz_opaque_callback_data, lengths.CALLBACK_DATA, "biz_opaque_callback_data")
    if request.type == "template":
        if request.template is None:
            raise build_missing_parameter("template")
        template = templates.choose(request.template)
        return template.fill(request.template.components), template.category.lower()
    if request.type == "text":
        return _read_text(request), "service"
    if request.type == "interactive":
        return _read_interactive(request), "service"
    raise GraphError(131051, "This message type is not supported.")


def _read_text(request: MessageRequest) -> PhoneContent:
    if request.text is None or not request.text.body:
        raise build_missing_parameter("text.body")
    limit_length(request.text.body, lengths.TEXT_BODY, "text.body")
    return PhoneContent(request.text.body)


def _read_interactive(request: MessageRequest) -> PhoneContent:
    interactive = request.interactive
    if interactive is None:
        raise build_missing_parameter("interactive")
    if interactive.type == "button":
        return _read_buttons(interactive)
    if interactive.type == "list":
        return _read_list(interactive)
    raise build_invalid_parameter("interactive.type must be button or list.")


def _read_buttons(interactive: InteractiveRequest) -> PhoneContent:
    require_text(interactive.body.text, lengths.BUTTON_BODY, "interactive.body.text")
    replies = [button.reply for button in interactive.action.buttons]
    require_count(len(replies), lengths.BUTTONS, "action.buttons")
    for reply in replies:
        require_text(reply.id, lengths.BUTTON_ID, "reply.id")
        require_text(reply.title, lengths.BUTTON_TITLE, "reply.title")
    require_distinct([reply.id for reply in replies], "reply.id")
    require_distinct([reply.title for reply in replies], "reply.title")
    return _build_content(interactive, tuple(PhoneButton(reply.id, reply.title, "button_reply") for reply in replies))


def _read_list(interactive: InteractiveRequest) -> PhoneContent:
    action = interactive.action
    require_text(interactive.body.text, lengths.LIST_BODY, "interactive.body.text")
    require_text(action.button, lengths.LIST_BUTTON, "action.button")
    require_count(len(action.sections), lengths.SECTIONS, "action.sections")
    for section in action.sections:
        if len(action.sections) > 1:
            require_text(section.title, lengths.SECTION_TITLE, "section.title")
        limit_length(section.title, lengths.SECTION_TITLE, "section.title")
    rows = [row for section in action.sections for row in section.rows]
    require_count(len(rows), lengths.ROWS, "rows of all sections")
    for row in rows:
        require_text(row.id, lengths.ROW_ID, "row.id")
        require_text(row.title, lengths.ROW_TITLE, "row.title")
        limit_length(row.description, lengths.ROW_DESCRIPTION, "row.description")
    require_distinct([row.id for row in rows], "row.id")
    return _build_content(
        interactive, tuple(PhoneButton(row.id, row.title, "list_reply", row.description) for row in rows)
    )


def _build_content(interactive: InteractiveRequest, buttons: tuple[PhoneButton, ...]) -> PhoneContent:
    header = interactive.header.text if interactive.header else ""
    footer = interactive.footer.text if interactive.footer else ""
    limit_length(header, lengths.HEADER, "interactive.header.text")
    limit_length(footer, lengths.FOOTER, "interactive.footer.text")
    return PhoneContent(interactive.body.text, header=header, footer=footer, buttons=buttons)

"""What a business may send to the messages endpoint; unknown fields are ignored, as Meta does."""

from msgspec import Struct


class Text(Struct, frozen=True, gc=False):
    body: str = ""


class Language(Struct, frozen=True, gc=False):
    code: str = ""


class Media(Struct, frozen=True, gc=False):
    """A file: uploaded before (`id`) or to be fetched by Meta (`link`)."""

    id: str | None = None
    link: str | None = None
    caption: str | None = None
    filename: str | None = None


class Parameter(Struct, frozen=True, gc=False):
    """The value of a template's variable, header media or quick-reply payload."""

    type: str = ""
    text: str | None = None
    parameter_name: str | None = None
    payload: str | None = None
    image: Media | None = None
    document: Media | None = None
    video: Media | None = None


class Component(Struct, frozen=True, gc=False):
    type: str = ""
    sub_type: str | None = None
    index: str | int | None = None
    parameters: list[Parameter] = []


class TemplateChoice(Struct, frozen=True, gc=False):
    name: str = ""
    language: Language = Language()
    components: list[Component] = []


class Reply(Struct, frozen=True, gc=False):
    id: str = ""
    title: str = ""


class ReplyButton(Struct, frozen=True, gc=False):
    type: str = ""
    reply: Reply = Reply()


class Row(Struct, frozen=True, gc=False):
    id: str = ""
    title: str = ""
    description: str = ""


class Section(Struct, frozen=True, gc=False):
    title: str = ""
    rows: list[Row] = []


class Action(Struct, frozen=True, gc=False):
    buttons: list[ReplyButton] = []
    button: str = ""
    sections: list[Section] = []


class InteractiveText(Struct, frozen=True, gc=False):
    text: str = ""


class InteractiveHeader(Struct, frozen=True, gc=False):
    type: str = "text"
    text: str = ""


class Interactive(Struct, frozen=True, gc=False):
    type: str = ""
    header: InteractiveHeader | None = None
    body: InteractiveText = InteractiveText()
    footer: InteractiveText | None = None
    action: Action = Action()


class MessageRequest(Struct, frozen=True, gc=False):
    """One request to the messages endpoint: a message, or the mark that one was read."""

    messaging_product: str = ""
    recipient_type: str = "individual"
    to: str | None = None
    recipient: str | None = None
    type: str = "text"
    text: Text | None = None
    template: TemplateChoice | None = None
    interactive: Interactive | None = None
    image: Media | None = None
    document: Media | None = None
    video: Media | None = None
    audio: Media | None = None
    biz_opaque_callback_data: str | None = None
    status: str | None = None
    message_id: str | None = None

"""Request bodies of the messages endpoint; unknown fields are ignored, as Meta does."""

from msgspec import Struct


class Text(Struct, frozen=True, gc=False):
    body: str = ""


class Language(Struct, frozen=True, gc=False):
    code: str = ""


class MediaReference(Struct, frozen=True, gc=False):
    """A file that Meta fetches; the simulator supports no uploaded ones."""

    link: str | None = None


class Parameter(Struct, frozen=True, gc=False):
    """Value of a template's variable, header media or quick-reply payload."""

    type: str = ""
    text: str | None = None
    parameter_name: str | None = None
    payload: str | None = None
    image: MediaReference | None = None


class ComponentParameters(Struct, frozen=True, gc=False):
    type: str = ""
    sub_type: str | None = None
    index: str | int | None = None
    parameters: list[Parameter] = []


class TemplateChoice(Struct, frozen=True, gc=False):
    name: str = ""
    language: Language = Language()
    components: list[ComponentParameters] = []


class ButtonReply(Struct, frozen=True, gc=False):
    id: str = ""
    title: str = ""


class RequestButton(Struct, frozen=True, gc=False):
    reply: ButtonReply = ButtonReply()


class ListRow(Struct, frozen=True, gc=False):
    id: str = ""
    title: str = ""
    description: str = ""


class ListSection(Struct, frozen=True, gc=False):
    title: str = ""
    rows: list[ListRow] = []


class InteractiveAction(Struct, frozen=True, gc=False):
    buttons: list[RequestButton] = []
    button: str = ""
    sections: list[ListSection] = []


class InteractiveText(Struct, frozen=True, gc=False):
    text: str = ""


class InteractiveRequest(Struct, frozen=True, gc=False):
    type: str = ""
    header: InteractiveText | None = None
    body: InteractiveText = InteractiveText()
    footer: InteractiveText | None = None
    action: InteractiveAction = InteractiveAction()


class MessageRequest(Struct, frozen=True, gc=False):
    messaging_product: str = ""
    recipient_type: str = "individual"
    to: str | None = None
    recipient: str | None = None
    type: str = "text"
    text: Text | None = None
    template: TemplateChoice | None = None
    interactive: InteractiveRequest | None = None
    biz_opaque_callback_data: str | None = None

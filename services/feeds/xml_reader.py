"""Parser for untrusted XML. Document types, with which every known XML bomb begins, are refused."""

import re
from dataclasses import dataclass, field
from html import entities
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

MAX_DEPTH = 100
MAX_ATTRIBUTES = 100
_WEST = "windows-1252"  # the usual encoding of documents that are not UTF-8 and do not declare one
_CONTROL = bytes(code for code in range(32) if code not in b"\t\n\r")
_BARE_AMPERSAND = re.compile(rb"(<!\[CDATA\[.*?(?:\]\]>|\Z))|&(?!#?\w{1,32};)", re.DOTALL)


class XmlRefused(ValueError):
    """Raised for XML that is not accepted; the text says why and quotes nothing from it."""


@dataclass(frozen=True)
class XmlDocument:
    """A parsed document; `unfinished` are the elements still open where it ceased to be well-formed."""

    root: Element
    unfinished: tuple[Element, ...] = ()


def read_xml(body: bytes) -> Element:
    """Return the root. Raises XmlRefused, also if the document is not well-formed."""
    document = _Reader(body).read()
    if document.unfinished:
        raise XmlRefused("it is not well-formed XML")
    return document.root


def read_sloppy_xml(body: bytes, charset: str | None = None) -> XmlDocument:
    """Parse as much as possible, repairing the commonest mistakes. Raises XmlRefused.

    `charset` comes from the HTTP header, for documents that declare a wrong encoding or none.
    """
    best, furthest = None, -1
    for tried, encoding in ((body, None), (_fix_markup(body), None), (_fix_markup(body), charset or _WEST)):
        reader = _Reader(tried, encoding, is_sloppy=True)
        try:
            document = reader.read()
        except XmlRefused:
            if reader.is_forbidden:
                raise
            continue
        if reader.position > furthest:
            best, furthest = document, reader.position
        if not document.unfinished:
            break
    if best is None:
        raise XmlRefused("it is not XML")
    return best


def _fix_markup(body: bytes) -> bytes:
    without = body.translate(None, _CONTROL)
    return _BARE_AMPERSAND.sub(lambda found: found[1] or b"&amp;", without)


@dataclass
class _Reader:
    """Parser of one body, for a single use."""

    body: bytes
    encoding: str | None = None
    is_sloppy: bool = False
    is_forbidden: bool = False
    position: int = 0
    _open: list[Element] = field(default_factory=list)
    _builder: TreeBuilder = field(default_factory=TreeBuilder)

    def read(self) -> XmlDocument:
        """Parse the body; raise XmlRefused for forbidden content, and if not even a root element begins."""
        parser = self._create_parser()
        unfinished: tuple[Element, ...] = ()
        try:
            parser.Parse(self.body, True)
        except (expat.ExpatError, LookupError, ValueError) as error:
            if isinstance(error, XmlRefused) or not self._open:
                raise XmlRefused(str(error) if self.is_forbidden else "it is not well-formed XML") from None
            unfinished = tuple(self._open)
            for element in reversed(unfinished):
                self._builder.end(element.tag)
        self.position = parser.ErrorByteIndex if unfinished else len(self.body)
        return XmlDocument(self._builder.close(), unfinished)

    def _create_parser(self) -> Any:
        parser = expat.ParserCreate(self.encoding, "}")
        parser.buffer_text = True
        parser.UseForeignDTD(self.is_sloppy)  # skips undeclared entities (&nbsp;) instead of failing
        parser.StartDoctypeDeclHandler = self._refuse_document_type
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._builder.data
        parser.SkippedEntityHandler = self._replace_entity
        return parser

    def _refuse_document_type(self, *_: object) -> None:
        self._raise_forbidden("it has a document type or entities, which are refused")

    def _raise_forbidden(self, reason: str) -> None:
        self.is_forbidden = True
        raise XmlRefused(reason)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._open) >= MAX_DEPTH or len(attributes) > MAX_ATTRIBUTES:
            self._raise_forbidden(
                f"it is nested more than {MAX_DEPTH} deep, or has more than {MAX_ATTRIBUTES} attributes"
            )
        named = {_format_tag(key): value for key, value in attributes.items()}
        self._open.append(self._builder.start(_format_tag(name), named))

    def _end(self, name: str) -> None:
        self._open.pop()
        self._builder.end(_format_tag(name))

    def _replace_entity(self, name: str, is_parameter: bool) -> None:
        if not is_parameter:
            self._builder.data(entities.html5.get(f"{name};", ""))


def _format_tag(name: str) -> str:
    """Return `{namespace}name`, as ElementTree writes it."""
    return f"{{{name}" if "}" in name else name

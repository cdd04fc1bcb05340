"""Parser for untrusted XML. Document types, on which most XML bombs rely, are refused.

The number of elements and names is limited, so that a small document cannot become a large tree.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import entities
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

MAX_DEPTH = 100
MAX_ATTRIBUTES = 100
MAX_ELEMENTS = 50_000
MAX_NAMES = 1_000
MAX_NAME_LENGTH = 300
_XML = {"xml": "http://www.w3.org/XML/1998/namespace"}
_WESTERN_ENCODING = "windows-1252"  # the usual encoding of documents that are not UTF-8 and do not declare one
# Prefixes of the web's encodings with one byte for a character, and of UTF: Python knows other codecs, too.
_ENCODING = re.compile(r"(?:(?:us-)?ascii|(?:utf|iso|latin|windows|cp|ibm|koi8|mac|tis)[\w:-]*)", re.IGNORECASE)
_CONTROL = bytes(code for code in range(32) if code not in b"\t\n\r")
_BARE_AMPERSAND = re.compile(r"(<!\[CDATA\[.*?(?:\]\]>|\Z))|&(?!#?\w{1,32};)", re.DOTALL | re.ASCII)


class XmlRefused(ValueError):
    """Raised for XML that is not accepted; the text says why, without quoting the document."""


@dataclass(frozen=True)
class XmlDocument:
    """A parsed document; `unfinished` are the elements open at the first syntax error, which is at `position`."""

    root: Element
    position: int
    unfinished: tuple[Element, ...] = ()


def read_xml(body: bytes) -> Element:
    """Return the root element. Raises XmlRefused, also if the document is not well-formed."""
    document = _Reader(body).read()
    if document.unfinished:
        raise XmlRefused("it is not well-formed XML")
    return document.root


def read_sloppy_xml(body: bytes, charset: str | None = None) -> XmlDocument:
    """Parse as much as possible, correcting common mistakes. Raises XmlRefused.

    `charset` is that of the HTTP header, for documents that declare a wrong encoding or none.
    """
    best, furthest = None, -1
    for attempt in _list_attempts(body, charset):
        document = _read_attempt(*attempt)
        if document is not None and not document.unfinished:
            return document
        if document is not None and document.position > furthest:
            best, furthest = attempt, document.position
        del document  # keeps only one tree in memory
    if best is None:
        raise XmlRefused("it is not XML")
    return _Reader(*best, is_sloppy=True).read()


def _list_attempts(body: bytes, charset: str | None) -> Iterator[tuple[bytes, str | None]]:
    """Yield bytes to parse, and the encoding that overrides the declared one."""
    yield body, None
    fixed = _fix_markup(body)
    yield fixed, None
    yield fixed, charset if charset and _ENCODING.fullmatch(charset) else _WESTERN_ENCODING


def _read_attempt(body: bytes, encoding: str | None) -> XmlDocument | None:
    """Return the parsed part, None if there is none; raise XmlRefused for forbidden content."""
    reader = _Reader(body, encoding, is_sloppy=True)
    try:
        return reader.read()
    except XmlRefused:
        if reader.is_forbidden:
            raise
    return None


def _fix_markup(body: bytes) -> bytes:
    """Remove control characters and escape bare ampersands; in Latin 1 each byte is a character."""
    # A substitution in bytes would need 80 bytes of memory for each part.
    text = body.translate(None, _CONTROL).decode("latin-1")
    return _BARE_AMPERSAND.sub(lambda match: match[1] or "&amp;", text).encode("latin-1")


@dataclass
class _Reader:
    """Parser of one body, for a single use."""

    body: bytes
    encoding: str | None = None
    is_sloppy: bool = False
    is_forbidden: bool = False
    _open_elements: list[Element] = field(default_factory=list)
    _element_count: int = 0
    _namespaces: list[Mapping[str, str]] = field(default_factory=lambda: [_XML])
    _names: dict[str, str] = field(default_factory=dict)
    _builder: TreeBuilder = field(default_factory=TreeBuilder)

    def read(self) -> XmlDocument:
        """Parse the body; raise XmlRefused for forbidden content, or if there is no root element."""
        unfinished: tuple[Element, ...] = ()
        try:
            parser = self._create_parser()  # refuses the name of an encoding with a null character
            parser.Parse(self.body, True)
        except (expat.ExpatError, LookupError, ValueError) as error:
            if isinstance(error, XmlRefused) or not self._open_elements:
                raise XmlRefused(str(error) if self.is_forbidden else "it is not well-formed XML") from None
            unfinished = tuple(self._open_elements)
            for element in reversed(unfinished):
                self._builder.end(element.tag)
        position = parser.ErrorByteIndex if unfinished else len(self.body)
        return XmlDocument(self._builder.close(), position, unfinished)

    def _create_parser(self) -> Any:
        parser = expat.ParserCreate(self.encoding)  # with namespace processing it would copy them into every name
        parser.buffer_text = True
        parser.XmlDeclHandler = self._check_encoding
        parser.UseForeignDTD(self.is_sloppy)  # skips undeclared entities (&nbsp;) instead of failing
        parser.StartDoctypeDeclHandler = self._refuse_document_type
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._builder.data
        parser.SkippedEntityHandler = self._replace_entity
        return parser

    def _check_encoding(self, _version: str, declared: str | None, _standalone: int) -> None:
        if self.encoding is None and declared and not _ENCODING.fullmatch(declared):
            raise LookupError(declared)

    def _refuse_document_type(self, *_: object) -> None:
        self._raise_forbidden("it has a document type or entities, which are refused")

    def _raise_forbidden(self, reason: str) -> None:
        self.is_forbidden = True
        raise XmlRefused(reason)

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._element_count += 1
        if self._element_count > MAX_ELEMENTS:
            self._raise_forbidden(f"it has more than {MAX_ELEMENTS} elements")
        declared = {key[6:]: value for key, value in attributes.items() if _is_declaration(key)}
        namespaces = {**self._namespaces[-1], **declared} if declared else self._namespaces[-1]
        if len(self._open_elements) >= MAX_DEPTH or max(len(attributes), len(namespaces)) > MAX_ATTRIBUTES:
            self._raise_forbidden(
                f"it is nested more than {MAX_DEPTH} deep, or has more than {MAX_ATTRIBUTES} attributes or namespaces"
            )
        expanded = {
            self._expand_name(key, namespaces if ":" in key else {}): value
            for key, value in attributes.items()
            if not _is_declaration(key)
        }
        self._open_elements.append(self._builder.start(self._expand_name(name, namespaces), expanded))
        self._namespaces.append(namespaces)

    def _end(self, _: str) -> None:
        self._namespaces.pop()
        self._builder.end(self._open_elements.pop().tag)

    def _expand_name(self, name: str, namespaces: Mapping[str, str]) -> str:
        """Return `{namespace}name` as in ElementTree, interned; a name with an undeclared prefix stays unchanged."""
        prefix, _, local = name.rpartition(":")
        namespace = namespaces.get(prefix, "")
        if len(namespace) + len(name) > MAX_NAME_LENGTH:
            self._raise_forbidden(f"one of its names has more than {MAX_NAME_LENGTH} characters")
        expanded = f"{{{namespace}}}{local}" if namespace else name
        if len(self._names) >= MAX_NAMES and expanded not in self._names:
            self._raise_forbidden(f"it has more than {MAX_NAMES} different names")
        return self._names.setdefault(expanded, expanded)

    def _replace_entity(self, name: str, is_parameter: bool) -> None:
        if not is_parameter:
            self._builder.data(entities.html5.get(f"{name};", ""))


def _is_declaration(name: str) -> bool:
    return name == "xmlns" or name.startswith("xmlns:")

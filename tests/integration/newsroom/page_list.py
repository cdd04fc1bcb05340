"""Every page that the newsroom registers, found in its code, so that a new one is attacked, too."""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from inspect import getmembers, isclass

import services.newsroom.adapters.http as http_package
from services.newsroom.adapters.http.web_pages import PageGroup, WebPage

_PARAMETER = re.compile(r"\{(\w+)(?::[^{}]*(?:\{\d+\}[^{}]*)?)?\}")
NOBODY = "00000000-0000-4000-8000-000000000000"


def list_all_pages() -> list[WebPage]:
    """The pages of all groups; listing them needs nothing that a group works with."""
    return [page for group in _find_groups() for page in object.__new__(group).list_pages()]


def build_path(page: WebPage) -> str:
    """The path with something that fits in the place of each parameter, and is nothing."""
    return _PARAMETER.sub(NOBODY, page.path)


def _find_groups() -> Iterator[type[PageGroup]]:
    for found in pkgutil.iter_modules(http_package.__path__):
        module = importlib.import_module(f"{http_package.__name__}.{found.name}")
        for _, member in getmembers(module, isclass):
            if member.__module__ == module.__name__ and hasattr(member, "list_pages") and member is not PageGroup:
                yield member

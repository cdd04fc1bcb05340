"""Meta's length limits, and checks that raise its errors."""

from simulator.graph.errors import GraphError, build_invalid_parameter, build_missing_parameter

TEXT_BODY = 4096
TEMPLATE_NAME = 512
TEMPLATE_HEADER = 60
TEMPLATE_BODY = 1024
TEMPLATE_FOOTER = 60
TEMPLATE_BUTTONS = 10
TEMPLATE_BUTTON_TEXT = 25
PAYLOAD = 256
CALLBACK_DATA = 512
BUTTON_BODY = 1024
BUTTONS = 3
BUTTON_TITLE = 20
BUTTON_ID = 256
LIST_BODY = 4096
LIST_BUTTON = 20
SECTIONS = 10
ROWS = 10
ROW_ID = 200
ROW_TITLE = 24
ROW_DESCRIPTION = 72
SECTION_TITLE = 24
HEADER = 60
FOOTER = 60


def limit_length(value: str | None, limit: int, name: str) -> None:
    """Raise Meta's error 100 if a plain parameter is too long."""
    if value is not None and len(value) > limit:
        raise GraphError(100, f"Param {name} must be at most {limit} characters long.")


def require_text(value: str, limit: int, name: str) -> None:
    """Raise Meta's errors 131008 or 131009 if a part of an interactive message is missing or too long."""
    if not value:
        raise build_missing_parameter(name)
    if len(value) > limit:
        raise build_invalid_parameter(f"{name} must have 1 to {limit} characters.")


def require_count(count: int, limit: int, name: str) -> None:
    if not 1 <= count <= limit:
        raise build_invalid_parameter(f"{name} must have 1 to {limit} items.")


def require_distinct(values: list[str], name: str) -> None:
    if len(set(values)) != len(values):
        raise build_invalid_parameter(f"{name} must differ from one another.")

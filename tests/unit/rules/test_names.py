"""Names in production code: a class is called like no other, a function begins with a verb, old names are gone."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.rules.repository import PACKAGES, format_path, list_python_files, list_tracked_files
from tests.unit.rules.words import CONVERSIONS, FOREIGN_NAMES, OLD_NAMES, VERBS

Function = ast.FunctionDef | ast.AsyncFunctionDef
# Every service has these, of the same shape.
SHARED_CLASS_NAMES = {"Metrics", "Settings"}
NAMELESS_DECORATORS = {"property", "cached_property", "setter", "fixture", "field_validator", "register"}
# What names them on purpose: this rule, the changelog, and the changes that a decision tells.
TELLS_OLD_NAMES = {"CHANGELOG.md", "tests/unit/rules/words.py"}
TEXT_SUFFIXES = {".py", ".md", ".yml", ".yaml", ".toml", ".json", ".sql", ".sh"}


def list_production_files() -> list[Path]:
    product = set(PACKAGES) - {"tests"}
    return [path for path in list_python_files() if format_path(path).split("/")[0] in product]


def list_owners(path: Path) -> Iterator[ast.Module | ast.ClassDef]:
    """Yield the module and its classes: what owns functions that others can call."""
    tree = ast.parse(path.read_text())
    yield tree
    yield from (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))


def begins_with_verb(function: Function) -> bool:
    if function.name.startswith("__") or function.name in CONVERSIONS | FOREIGN_NAMES:
        return True
    decorators = {ast.unparse(each).split("(")[0].split(".")[-1] for each in function.decorator_list}
    # A command is called by the word that the operator types.
    if decorators & NAMELESS_DECORATORS or "command" in decorators:
        return True
    return function.name.lstrip("_").split("_")[0] in VERBS


def test_a_public_class_is_called_like_no_other() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path in list_production_files():
        for owner in list_owners(path):
            for node in owner.body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    places[node.name].append(f"{format_path(path)}:{node.lineno}")
    assert {name: each for name, each in places.items() if len(each) > 1 and name not in SHARED_CLASS_NAMES} == {}


def test_a_function_begins_with_a_verb() -> None:
    assert [
        f"{format_path(path)}:{function.lineno} {function.name}"
        for path in list_production_files()
        for owner in list_owners(path)
        for function in owner.body
        if isinstance(function, Function) and not begins_with_verb(function)
    ] == []


def test_every_exception_from_the_verbs_is_needed() -> None:
    defined = {
        function.name
        for path in list_production_files()
        for owner in list_owners(path)
        for function in owner.body
        if isinstance(function, Function)
    }
    assert sorted((CONVERSIONS | FOREIGN_NAMES) - defined) == []
    used = {name.lstrip("_").split("_")[0] for name in defined}
    assert sorted(VERBS - used) == []


@pytest.mark.parametrize("old", OLD_NAMES)
def test_an_old_name_is_nowhere(old: str) -> None:
    pattern = re.compile(rf"(?<![\w-]){old}(?![\w-])")
    texts = (path for path in list_tracked_files() if path.suffix in TEXT_SUFFIXES)
    assert [
        name
        for path in texts
        if (name := format_path(path)) not in TELLS_OLD_NAMES and pattern.search(path.read_text())
    ] == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("def told(): ...", False),
        ("def _kept(): ...", False),
        ("def build_rejection(): ...", True),
        ("def __init__(self): ...", True),
        ("@property\ndef age(self): ...", True),
        ("@app.command()\ndef login(): ...", True),
        ("def delivery_id(): ...", True),
    ],
)
def test_the_rule_can_fail(source: str, expected: bool) -> None:
    function = ast.parse(source).body[0]
    assert isinstance(function, Function)
    assert begins_with_verb(function) is expected

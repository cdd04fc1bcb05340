"""Names in production code: a class is called like no other, a function begins with a verb, old names are gone."""

import ast
import re
from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from tests.unit.rules.repository import PACKAGES, format_path, list_python_files, list_tracked_files, parse_module
from tests.unit.rules.words import CONVERSIONS, FOREIGN_NAMES, OLD_NAMES, VERBS

Function = ast.FunctionDef | ast.AsyncFunctionDef
# Every service has these, of the same shape.
SHARED_CLASS_NAMES = {"Metrics", "Settings"}
NAMELESS_DECORATORS = {"property", "cached_property", "setter", "fixture", "field_validator", "register"}
# What names them on purpose: this rule, the changelog, and the changes that a decision tells.
TELLS_OLD_NAMES = {"CHANGELOG.md", "tests/unit/rules/words.py"}
TEXT_SUFFIXES = {
    *(".py", ".md", ".yml", ".yaml", ".toml", ".json", ".sql", ".sh"),
    *(".html", ".js", ".css", ".svg", ".tpl", ".erl", ".conf"),
}


def list_production_files() -> list[Path]:
    product = set(PACKAGES) - {"tests"}
    return [path for path in list_python_files() if format_path(path).split("/")[0] in product]


@cache
def list_owners(path: Path) -> Sequence[ast.Module | ast.ClassDef]:
    """Return the module and its classes: what owns functions that others can call."""
    tree = parse_module(path)
    return [tree, *(node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))]


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


def test_no_old_name_is_anywhere() -> None:
    pattern = re.compile(rf"(?<![\w-])(?:{'|'.join(OLD_NAMES)})(?![\w-])")
    texts = (path for path in list_tracked_files() if path.suffix in TEXT_SUFFIXES)
    assert {
        name: old[0]
        for path in texts
        if (name := format_path(path)) not in TELLS_OLD_NAMES and (old := pattern.search(path.read_text()))
    } == {}

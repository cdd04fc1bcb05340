"""Generator of parts of the documentation: `python -m tools.docs.generate`."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from tools.docs.messages import render_messages_page
from tools.docs.metrics import render_metrics_page
from tools.docs.privacy_access import render_keys_table, render_logins_table
from tools.docs.privacy_texts import render_texts_annex
from tools.docs.settings import render_settings

DOCS = Path(__file__).parents[2] / "docs"
MESSAGES = DOCS / "messages.md"
METRICS = DOCS / "metrics.md"
OPERATORS = DOCS / "guides" / "operators.md"
PRIVACY = DOCS / "datenschutz.md"
# Renderers of the text between `<!-- NAME: generated -->` and `<!-- NAME: end -->`.
PARTS: Mapping[Path, Mapping[str, Callable[[], str]]] = {
    OPERATORS: {"settings": render_settings},
    PRIVACY: {"logins": render_logins_table, "keys": render_keys_table, "texts": render_texts_annex},
}


def render_page(path: Path) -> str:
    text = path.read_text()
    for name, render in PARTS[path].items():
        text = _replace_part(text, name, render())
    return text


def _replace_part(text: str, name: str, part: str) -> str:
    begin, end = f"<!-- {name}: generated -->", f"<!-- {name}: end -->"
    between = re.compile(f"(?<={re.escape(begin)}\n).*(?={re.escape(end)})", re.DOTALL)
    assert between.search(text), f"{begin} and {end} are missing"
    return between.sub(lambda _: f"\n{part}\n\n", text)


if __name__ == "__main__":
    MESSAGES.write_text(render_messages_page())
    METRICS.write_text(render_metrics_page())
    for path in PARTS:
        path.write_text(render_page(path))

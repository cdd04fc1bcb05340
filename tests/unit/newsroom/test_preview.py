"""The preview shows what a citizen would get: the template's words, and the editor's in their places."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.paths import CONFIG
from services.newsroom.adapters.config_files import read_templates
from services.newsroom.domain.drafts import DraftContent
from services.newsroom.domain.outbox import CODE_LENGTH_IN_TEXT
from services.newsroom.domain.preview import MAX_LENGTH, Preview, build_preview, build_trial_text, count_length
from shared.notices.configuration import Topic
from shared.notices.rules import MAX_CONTENT_LENGTH
from tests.factories.editors import COUNTY

TEMPLATES = read_templates(CONFIG / "templates.json")
CONTENT = DraftContent(headline="K 9 gesperrt", text="Bis Freitag.", link="https://www.landkreis-osterholz.de/a")


def join(preview: Preview) -> str:
    return "\n".join("".join(part.text for part in line) for line in preview.lines)


@pytest.mark.parametrize("topic", COUNTY.topics, ids=lambda topic: topic.id)
def test_every_topic_shows_its_template(topic: Topic) -> None:
    preview = build_preview(CONTENT, topic, TEMPLATES)
    parts = {part.type: part for part in TEMPLATES[topic.template].components}
    expected = parts["BODY"].text.replace("*", "").replace("{{headline}}", CONTENT.headline)
    shown = f"{CONTENT.text} Prüfcode: ABCD-EFGH {CONTENT.link}"
    assert join(preview) == expected.replace("{{text}}", shown)
    assert [part.text for line in preview.lines for part in line if part.bold] == [CONTENT.headline]
    assert (preview.footer, preview.buttons) == ("Abmelden: Stop", ("Stop", "Hilfreich", "Nicht hilfreich"))


@pytest.mark.parametrize("topic", COUNTY.topics, ids=lambda topic: topic.id)
def test_a_trial_says_what_the_preview_shows(topic: Topic) -> None:
    preview = build_preview(CONTENT, topic, TEMPLATES)
    text = build_trial_text(CONTENT, topic, TEMPLATES)
    assert text.replace("*", "") == f"{join(preview)}\n\n{preview.footer}"
    assert f"*{CONTENT.headline}*" in text


def test_the_code_is_a_segment_of_its_own() -> None:
    """Also behind a text that names another one, or the same."""
    said = msgspec.structs.replace(CONTENT, text="Statt K7M2-Q9TX oder ABCD-EFGH:")
    for code in ("ABCD-EFGH", "1234-5678"):
        codes = [part.text for line in build_preview(said, None, {}, code).lines for part in line if part.is_code]
        assert codes == [code]


def test_what_is_not_written_yet_has_its_name_in_its_place() -> None:
    preview = build_preview(DraftContent(), None, {})
    assert join(preview) == "Überschrift\n\nText der Meldung"
    assert all(part.placeholder for line in preview.lines for part in line)


@given(st.text(st.characters(exclude_characters="*_{}\n"), max_size=50), st.sampled_from(COUNTY.topics))
def test_no_word_of_the_editor_is_lost(middle: str, topic: Topic) -> None:
    words = f"Anfang {middle} Ende"
    shown = join(build_preview(DraftContent(headline=words, text=words), topic, TEMPLATES))
    assert shown.count(words) >= 2


@given(st.text(max_size=120), st.text(max_size=300), st.text(max_size=100))
def test_the_count_is_that_of_the_rules(headline: str, text: str, link: str) -> None:
    used = count_length(DraftContent(headline=headline, text=text, link=link))
    assert used == len((headline + text + link).encode("utf-16-le")) // 2
    assert MAX_LENGTH + CODE_LENGTH_IN_TEXT == MAX_CONTENT_LENGTH


def test_a_placeholder_in_the_words_is_no_placeholder() -> None:
    content = msgspec.structs.replace(CONTENT, headline="{{text}}", link="")
    assert "{{text}}" in join(build_preview(content, None, {}))

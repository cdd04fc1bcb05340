"""What a county without municipalities, or without topics that depend on them, promises its citizens."""

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from services.newsroom.domain.archive import Archive, ArchiveSelection
from services.newsroom.domain.county import NewsroomCounty
from services.newsroom.http.archive_pages import ArchivePages
from services.newsroom.http.documents import StaticFiles
from tests.factories.archive import NOW, SITE

COUNTY = SITE.county
ANYWHERE = tuple(msgspec.structs.replace(topic, local=False) for topic in COUNTY.topics)


@pytest.mark.parametrize(
    ("county", "has_places"),
    [
        (COUNTY, True),
        (msgspec.structs.replace(COUNTY, municipalities=()), False),
        (msgspec.structs.replace(COUNTY, topics=ANYWHERE), False),
    ],
)
def test_only_who_can_choose_municipalities_is_told_to(county: NewsroomCounty, has_places: bool) -> None:
    static = StaticFiles(Path("/nonexistent"))
    pages = ArchivePages(
        site=replace(SITE, county=county), phone="+49 4791 930 9999", retention_days=365, static=static
    )
    shown = [pages.render_for_phone("signup"), pages.render_for_phone("poster")]
    shown.append(pages.render_list(Archive([], NOW), ArchiveSelection(), 1))
    assert [page and "und Gemeinde" in page for page in shown] == [has_places] * 3
    assert [page and "Them" in page for page in shown] == [True] * 3

"""Styles, scripts and fonts, with the design system and without it."""

import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from services.newsroom.adapters.http.rendering import OWN, StaticFiles

Client = TestClient[web.Request, web.Application]


@pytest.fixture
def kern(tmp_path: Path) -> Path:
    (tmp_path / "fonts" / "fira-sans").mkdir(parents=True)
    (tmp_path / "kern.min.css").write_text("body {}" * 100)
    (tmp_path / "fonts" / "fira-sans.css").write_text("@font-face {}")
    (tmp_path / "fonts" / "fira-sans" / "FiraSans-Light.woff2").write_bytes(b"font")
    (tmp_path / "secret.txt").write_text("not for browsers")
    return tmp_path


@pytest.fixture
async def client(kern: Path) -> AsyncIterator[Client]:
    app = web.Application()
    StaticFiles(kern).add_routes(app)
    async with TestClient(TestServer(app), auto_decompress=False) as opened:
        yield opened


def test_with_the_design_system_its_styles_come_first(kern: Path) -> None:
    names = [path.split("/", 3)[3] for path in StaticFiles(kern).style_sheets]
    assert names == ["kern/kern.min.css", "kern/fonts/fira-sans.css", "newsroom.css"]


def test_without_it_there_is_a_plain_style(tmp_path: Path) -> None:
    static = StaticFiles(tmp_path / "nowhere")
    assert [path.split("/", 3)[3] for path in static.style_sheets] == ["fallback.css", "newsroom.css"]
    assert not static.has_kern


def test_a_changed_file_has_another_path(kern: Path) -> None:
    before = StaticFiles(kern).get_path("newsroom.css")
    (kern / "kern.min.css").write_text("body { color: red }")
    assert StaticFiles(kern).get_path("newsroom.css") != before


def test_a_template_that_names_no_file_fails(kern: Path) -> None:
    with pytest.raises(KeyError):
        StaticFiles(kern).get_path("no-such-file.css")


async def test_files_are_cached_for_good_and_sent_compressed(client: Client, kern: Path) -> None:
    path = StaticFiles(kern).get_path("kern/kern.min.css")
    plain = await client.get(path, headers={"Accept-Encoding": "identity"})
    packed = await client.get(path, headers={"Accept-Encoding": "br, gzip"})
    assert "immutable" in plain.headers["Cache-Control"]
    assert (plain.headers["Content-Type"], packed.headers["Content-Encoding"]) == ("text/css; charset=utf-8", "gzip")
    assert gzip.decompress(await packed.read()) == await plain.read() == b"body {}" * 100


@pytest.mark.parametrize("name", ["kern/secret.txt", "no-such.css", "..%2f..%2frendering.py", "kern/..%2fsecret.txt"])
async def test_nothing_else_is_served(name: str, client: Client) -> None:
    assert (await client.get(f"/static/x/{name}")).status == 404


def test_our_own_styles_and_scripts_load_nothing_from_elsewhere() -> None:
    for path in OWN.iterdir():
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert "//" not in text.replace("// ", ""), path.name
        assert "@import" not in text

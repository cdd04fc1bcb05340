"""Pages of the public archive, rendered from what is in memory."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec
import segno
from jinja2 import Environment
from markupsafe import Markup

from services.newsroom.adapters.http.rendering import KERN_STYLES, StaticFiles, build_environment, format_number
from services.newsroom.domain.archive import Archive, ArchiveEntry, ArchiveSelection, format_code
from services.newsroom.domain.archive_feeds import ArchiveSite, build_linked_data, build_query, get_headline
from services.newsroom.domain.county import NewsroomCounty
from services.newsroom.domain.german import format_day, format_moment
from services.newsroom.domain.service_level import ServiceLevel, format_seconds
from shared.contracts.hours import LOCAL_ZONE

PAGE_ENTRIES = 20
UNKNOWN_CODE = "Geben Sie den Code so ein, wie er in der Nachricht steht."
QR_BORDER = 4


class ArchivePages:
    """Renderer of all pages; `phone` is the number that citizens write to, None while there is none."""

    def __init__(
        self,
        *,
        site: ArchiveSite,
        county: NewsroomCounty,
        phone: str | None,
        keeps_days: int,
        static: StaticFiles,
    ) -> None:
        self._site = site
        self._county = county
        self._phone = phone
        self._keeps_days = keeps_days
        base = f"kern/{KERN_STYLES[0]}" if static.has_kern else "fallback.css"
        self._environment = _build_environment(site)
        self._environment.globals.update(
            site=site,
            county=county,
            phone=phone,
            keeps_days=keeps_days,
            style_sheets=[static.get_path(base), static.get_path("archive.css")],
            icon=static.get_path("archive.svg"),
        )

    def render_list(self, archive: Archive, selection: ArchiveSelection, page: int) -> str | None:
        """Return one page of the chosen entries; None if there is no such page."""
        chosen = archive.select(selection)
        pages = max(1, -(-len(chosen) // PAGE_ENTRIES))
        if page > pages:
            return None
        shown = chosen[(page - 1) * PAGE_ENTRIES : page * PAGE_ENTRIES]
        query = build_query(selection)

        def turn(number: int) -> str:
            turned = f"seite={number}" if number > 1 else ""
            return f"/{query}{'&' if query else '?'}{turned}" if turned else f"/{query}"

        return self._render(
            "list",
            archive=archive,
            selection=selection,
            title=self._site.get_title(selection).removeprefix(f"{self._site.county}: "),
            query=query,
            canonical=self._site.build_url(turn(page)),
            topic_options=[("", "Alle Themen"), *self._list_topics(archive)],
            municipality_options=[("", "Alle Gemeinden"), *((name, name) for name in self._site.municipalities)],
            count=len(chosen),
            page=page,
            pages=pages,
            turn=turn,
            days=_group_by_day(shown),
        )

    def _list_topics(self, archive: Archive) -> Iterator[tuple[str, str]]:
        current = archive.count_current()
        for topic, title in self._site.topics.items():
            yield topic, f"{title} ({current[topic]} aktuell)" if topic in current else title

    def render_entry(self, archive: Archive, entry: ArchiveEntry) -> str:
        linked_data = build_linked_data(self._site, archive, entry)
        return self._render(
            "entry",
            archive=archive,
            entry=entry,
            newest=archive.find_newest(entry),
            headline=get_headline(archive, entry),
            linked_data=_encode_script(linked_data) if linked_data else None,
        )

    def render_check(self, archive: Archive, entry: ArchiveEntry | None, typed: str) -> str:
        """Return the answer about a code; `typed` is what somebody typed, empty at first."""
        unknown = bool(typed) and entry is None
        return self._render(
            "check",
            archive=archive,
            entry=entry,
            value=typed if unknown else "",
            problem=UNKNOWN_CODE if unknown else None,
            hosts=sorted({host.removeprefix("www.") for host in self._county.link_hosts}),
        )

    def render_signup(self) -> str | None:
        return self._render("signup", link=self.link) if self._phone else None

    def render_poster(self) -> str | None:
        return self._render("poster") if self._phone else None

    def render_qr_code(self) -> bytes | None:
        """Return the link into WhatsApp as a QR code that a camera reads from paper, too."""
        if not self._phone:
            return None
        code = segno.make(self.link, error="q", micro=False)
        modules = code.symbol_size(border=QR_BORDER)[0]
        path = "".join(
            f"M{column} {row}h1v1h-1z"
            for row, line in enumerate(code.matrix_iter(border=QR_BORDER))
            for column, dark in enumerate(line)
            if dark
        )
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {modules} {modules}" shape-rendering="crispEdges">'
            f'<path fill="#fff" d="M0 0h{modules}v{modules}H0z"/><path d="{path}"/></svg>'
        ).encode()

    def render_levels(self, levels: Sequence[ServiceLevel]) -> str:
        periods = groupby(levels, key=lambda level: level.days)
        return self._render("level", periods=[(days, list(rows)) for days, rows in periods])

    def render_error(self, heading: str, advice: str) -> str:
        return self._render("error", heading=heading, advice=advice)

    @property
    def link(self) -> str:
        """Return the address that opens WhatsApp with the word Start."""
        digits = "".join(filter(str.isdigit, self._phone or ""))
        return f"https://wa.me/{digits}?text=Start"

    def _render(self, name: str, **values: object) -> str:
        return self._environment.get_template(f"archive/{name}.html").render(here=name, **values)


def _build_environment(site: ArchiveSite) -> Environment:
    environment = build_environment()
    environment.filters.update(
        code=format_code,
        moment=format_moment,
        number=format_number,
        seconds=format_seconds,
        clock=lambda moment: f"{moment.astimezone(LOCAL_ZONE):%H:%M}",
        iso=lambda moment: moment.isoformat(),
        host=lambda url: urlsplit(url).hostname,
        dial=lambda telephone: quote("".join(sign for sign in telephone if sign.isdigit() or sign == "+")),
        topic=lambda topic: site.topics.get(topic, topic),
    )
    return environment


def _group_by_day(entries: Sequence[ArchiveEntry]) -> list[tuple[str, list[ArchiveEntry]]]:
    return [(day, list(group)) for day, group in groupby(entries, key=lambda entry: format_day(entry.published_at))]


def _encode_script(data: Mapping[str, Any]) -> Markup:
    """Return JSON that cannot end the script element that it stands in."""
    text = msgspec.json.encode(data).decode()
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))  # noqa: S704

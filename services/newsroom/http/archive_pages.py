"""Pages of the public archive, rendered from memory."""

from collections.abc import Iterator
from io import BytesIO
from itertools import groupby
from urllib.parse import quote, urlsplit

import segno

from services.newsroom.domain.archive import Archive, ArchiveEntry, ArchiveSelection, format_code
from services.newsroom.domain.archive_feeds import ArchiveSite, build_linked_data, build_query, get_headline
from services.newsroom.domain.german import format_day, format_moment
from services.newsroom.domain.service_level import format_seconds
from services.newsroom.http.documents import StaticFiles
from services.newsroom.http.rendering import build_environment
from shared.contracts.hours import LOCAL_ZONE

PAGE_ENTRIES = 20


class ArchivePages:
    """Renderer of all pages; `phone` is the number that citizens write to, empty if not configured."""

    def __init__(
        self,
        *,
        site: ArchiveSite,
        phone: str,
        retention_days: int,
        static: StaticFiles,
    ) -> None:
        self.site, county = site, site.county
        self._phone = phone
        self._environment = build_environment(
            {
                "code": format_code,
                "moment": format_moment,
                "seconds": format_seconds,
                "clock": lambda moment: f"{moment.astimezone(LOCAL_ZONE):%H:%M}",
                "host": lambda url: urlsplit(url).hostname,
                "dial": lambda telephone: quote("".join(sign for sign in telephone if sign.isdigit() or sign == "+")),
                "topic": lambda topic: county.topic_titles.get(topic, topic),
            },
            {
                "site": site,
                "county": county,
                "phone": phone,
                "retention_days": retention_days,
                "hosts": sorted({host.removeprefix("www.") for host in county.link_hosts}),
                "style_sheets": [static.base_styles[0], static.get_path("archive.css")],
                "icon": static.get_path("archive.svg"),
            },
            {"forms": "forms.html", "parts": "archive/parts.html"},
        )

    def render_list(self, archive: Archive, selection: ArchiveSelection, page: int) -> str | None:
        """Return one page of the selected entries; None if there is no such page."""
        entries = archive.select(selection)
        pages = max(1, -(-len(entries) // PAGE_ENTRIES))
        if page > pages:
            return None
        visible = entries[(page - 1) * PAGE_ENTRIES : page * PAGE_ENTRIES]
        query = build_query(selection)

        def build_page_path(page_number: int) -> str:
            parameter = f"seite={page_number}" if page_number > 1 else ""
            return f"/{query}{'&' if query else '?'}{parameter}" if parameter else f"/{query}"

        return self.render(
            "list",
            archive=archive,
            selection=selection,
            title=self.site.get_title(selection).removeprefix(f"{self.site.county.name}: "),
            query=query,
            canonical=self.site.build_url(build_page_path(page)),
            topic_options=[("", "Alle Themen"), *self._list_topics(archive)],
            municipality_options=[("", "Alle Gemeinden"), *((name, name) for name in self.site.county.municipalities)],
            count=len(entries),
            page=page,
            pages=pages,
            page_path=build_page_path,
            days=[(day, list(group)) for day, group in groupby(visible, lambda entry: format_day(entry.published_at))],
        )

    def _list_topics(self, archive: Archive) -> Iterator[tuple[str, str]]:
        current = archive.count_current()
        for topic, title in self.site.county.topic_titles.items():
            yield topic, f"{title} ({current[topic]} aktuell)" if topic in current else title

    def render_entry(self, archive: Archive, entry: ArchiveEntry) -> str:
        return self.render(
            "entry",
            archive=archive,
            entry=entry,
            newest=archive.find_newest(entry),
            headline=get_headline(archive, entry),
            linked_data=build_linked_data(self.site, archive, entry),
        )

    def render_check(self, archive: Archive, entry: ArchiveEntry | None, unknown: str = "") -> str:
        """Return the page that checks codes, with the entry found or the `unknown` code as typed; initially neither."""
        return self.render("check", archive=archive, entry=entry, unknown=unknown)

    def render_qr_code(self) -> bytes | None:
        """Return the WhatsApp link as a QR code in SVG, with error correction for print; None without a phone."""
        if not self._phone:
            return None
        buffer = BytesIO()
        code = segno.make(self.link, error="q", micro=False)
        code.save(buffer, kind="svg", light="#fff", omitsize=True, xmldecl=False)
        return buffer.getvalue()

    @property
    def link(self) -> str:
        """Return the URL that opens WhatsApp with the message "Start"."""
        digits = "".join(filter(str.isdigit, self._phone))
        return f"https://wa.me/{digits}?text=Start"

    def render_for_phone(self, name: str) -> str | None:
        """Return the page of this name, which shows the number; None if it is not configured."""
        return self.render(name, link=self.link) if self._phone else None

    def render(self, name: str, **values: object) -> str:
        return self._environment.get_template(f"archive/{name}.html").render(here=name, **values)

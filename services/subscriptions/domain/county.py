"""The county and its topics, as configured."""

from typing import Annotated

from msgspec import Meta, Struct

from shared.contracts.notices import HttpsUrl, Municipality
from shared.notices.configuration import Category, Configuration, Hours, ShortText


class Localities(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Other names of a municipality, and the villages that belong to it."""

    municipality: Municipality
    names: tuple[ShortText, ...]


class County(Configuration, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """County configuration: everything about the county that citizens read, and what may be sent to them.

    `name` has no article, such as "Landkreis Osterholz". Raises ValueError for localities of an unknown municipality.
    """

    name: ShortText
    telephone: ShortText
    counter: ShortText
    hours: ShortText
    frequency: ShortText
    privacy_url: HttpsUrl
    wording_version: Annotated[str, Meta(min_length=1, max_length=20)]
    emergency: ShortText = "Feuerwehr und Rettungsdienst 112, Polizei 110"
    crisis_line: ShortText = "0800 1110111"
    feedback_days: Annotated[int, Meta(ge=1, le=1_000)] = 180
    proof_days: Annotated[int, Meta(ge=1_095, le=4_000)] = 1_100
    dead_letter_days: Annotated[int, Meta(ge=1, le=8)] = 7
    permitted_hours: Hours | None = None
    localities: tuple[Localities, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if not {localities.municipality for localities in self.localities} <= set(self.municipalities):
            raise ValueError("localities belong to an unknown municipality")

    @property
    def topic_names(self) -> dict[str, tuple[str, ...]]:
        """Return the names that citizens may use for each topic."""
        return {topic.id: (topic.id, topic.title, *topic.words) for topic in self.topics}

    @property
    def place_names(self) -> dict[str, tuple[str, ...]]:
        """Return the names that citizens may use for each municipality."""
        names = {municipality: [municipality] for municipality in self.municipalities}
        for localities in self.localities:
            names[localities.municipality] += localities.names
        return {municipality: tuple(spellings) for municipality, spellings in names.items()}

    @property
    def marketing_topics(self) -> frozenset[str]:
        return frozenset(topic.id for topic in self.topics if topic.category is Category.MARKETING)

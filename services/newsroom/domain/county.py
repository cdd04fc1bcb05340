"""Schema of the county's file for the newsroom."""

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta

from shared.notices.configuration import Configuration, Hours, ShortText


class NewsroomCounty(Configuration, frozen=True, kw_only=True):
    """Topics, municipalities, prices, permitted hours, retention of feedback, and details for the public archive."""

    name: ShortText
    telephone: ShortText
    frequency: ShortText
    privacy_url: ShortText
    emergency: ShortText = "Feuerwehr und Rettungsdienst 112, Polizei 110"
    feedback_days: Annotated[int, Meta(ge=1, le=1_000)] = 180
    permitted_hours: Hours | None = None

    @property
    def topic_titles(self) -> Mapping[str, str]:
        """Return the title of each topic by its id."""
        return {topic.id: topic.title for topic in self.topics}

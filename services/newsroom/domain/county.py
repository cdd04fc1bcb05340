"""Schema of the county's file for the newsroom."""

from typing import Annotated

from msgspec import Meta

from shared.notices.configuration import Configuration, ShortText


class NewsroomCounty(Configuration, frozen=True, kw_only=True):
    """Topics, municipalities, prices, retention of feedback, and details of the county for the public archive."""

    name: ShortText
    telephone: ShortText
    frequency: ShortText
    privacy_url: ShortText
    emergency: ShortText = "Feuerwehr und Rettungsdienst 112, Polizei 110"
    feedback_days: Annotated[int, Meta(ge=1, le=1_000)] = 180

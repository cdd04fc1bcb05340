"""The county's file as the newsroom reads it."""

from typing import Annotated

from msgspec import Meta

from shared.notices.configuration import Configuration, ShortText


class NewsroomCounty(Configuration, frozen=True, kw_only=True):
    """Topics, municipalities and prices, how long feedback is kept, and what the public archive says of the county."""

    name: ShortText
    telephone: ShortText
    frequency: ShortText
    privacy_url: ShortText
    emergency: ShortText = "Feuerwehr und Rettungsdienst 112, Polizei 110"
    feedback_days: Annotated[int, Meta(ge=1, le=1_000)] = 180

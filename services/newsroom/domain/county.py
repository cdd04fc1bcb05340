"""The county's file as the newsroom reads it."""

from typing import Annotated

from msgspec import Meta

from shared.notices.configuration import Configuration


class NewsroomCounty(Configuration, frozen=True, kw_only=True):
    """Topics, municipalities and prices, and how long feedback is kept."""

    feedback_days: Annotated[int, Meta(ge=1, le=1_000)] = 180

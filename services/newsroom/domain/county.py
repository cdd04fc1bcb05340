"""What the newsroom tells citizens about the county, as the configuration file describes it."""

from typing import Annotated

from msgspec import Meta

from shared.notices.configuration import Configuration
from shared.notices.systems import ShortText


class ArchiveCounty(Configuration, frozen=True, kw_only=True):
    """Configuration of the public archive; other parts of the county file are ignored."""

    name: ShortText
    telephone: ShortText
    frequency: ShortText
    privacy_url: ShortText
    emergency: ShortText = "Feuerwehr und Rettungsdienst 112, Polizei 110"


class NewsroomCounty(ArchiveCounty, frozen=True, kw_only=True):
    """Configuration of the newsroom and its archive; `feedback_days` is how long feedback is kept."""

    feedback_days: Annotated[int, Meta(ge=1, le=1_000)] = 180

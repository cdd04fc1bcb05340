"""Trial of a draft: whoever sends its code to the county's number gets its text as an answer."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

CODE_LENGTH = 8


@dataclass(frozen=True, kw_only=True)
class DraftTrial:
    """Code of a draft's trial, and until when it may be sent."""

    code: str
    ends_at: datetime

    @property
    def words(self) -> str:
        """Return what the telephone is to send."""
        return f"Test {self.code[:4]} {self.code[4:]}"

    def build_link(self, phone: str) -> str:
        """Return the address that opens WhatsApp with these words; `phone` is the county's number."""
        return f"https://wa.me/{''.join(filter(str.isdigit, phone))}?text={quote(self.words)}"

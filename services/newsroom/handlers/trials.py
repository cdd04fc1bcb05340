"""Trials of drafts on an editor's own phone, whose number the newsroom never learns."""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote
from uuid import UUID

from services.newsroom.adapters.sending_control import MAX_TRIALS_PER_HOUR
from services.newsroom.domain.accounts import Account, Right
from services.newsroom.domain.audit import Act
from services.newsroom.domain.drafts import ENDED, DraftRefused, refuse_if, require_version
from services.newsroom.domain.preview import TemplateText, build_trial_text
from services.newsroom.handlers.assessing import DraftAssessor

CODE_LENGTH = 8


@dataclass(frozen=True, kw_only=True)
class DraftTrial:
    """Code of a draft's trial, valid until `ends_at`."""

    code: str
    ends_at: datetime

    @property
    def words(self) -> str:
        """Return the message to send from the phone."""
        return f"Test {self.code[:4]} {self.code[4:]}"

    def build_link(self, phone: str) -> str:
        """Return the URL that opens WhatsApp with this message; `phone` is the county's number."""
        return f"https://wa.me/{''.join(filter(str.isdigit, phone))}?text={quote(self.words)}"


@dataclass(frozen=True, kw_only=True)
class TrialService:
    """Trials of drafts.

    `offer` stores the text for the sender of the code, and returns its expiry; None if the account has had too many.
    """

    assessor: DraftAssessor
    templates: Mapping[str, TemplateText]
    offer: Callable[[UUID, str, str, Act], Awaitable[datetime | None]]

    async def prepare(self, account: Account, draft_id: UUID, version: int) -> DraftTrial:
        """Return a code for the version that was read. Raises NotPermitted, DraftNotFound, DraftConflict, DraftRefused.

        A new code replaces the draft's older one.
        """
        account.require(Right.WRITE)
        draft = await self.assessor.drafts.find(draft_id)
        require_version(draft, version)
        refuse_if(None if draft.is_open else ENDED)
        self.assessor.require_valid(draft)
        topic = self.assessor.configuration.find_topic(draft.content.topic)
        text = build_trial_text(draft.content, topic, self.templates)
        detail = {"draft": str(draft.id), "version": str(draft.version)}
        act = Act(account=account.id, action="draft.tried", object=draft.subject, detail=detail)
        code = f"{secrets.randbelow(10**CODE_LENGTH):0{CODE_LENGTH}}"
        ends_at = await self.offer(draft.id, code, text, act)
        if ends_at is None:
            raise DraftRefused(
                f"Mehr als {MAX_TRIALS_PER_HOUR} Testnachrichten in einer Stunde sind nicht möglich."
                " Bitte versuchen Sie es später noch einmal."
            )
        return DraftTrial(code=code, ends_at=ends_at)

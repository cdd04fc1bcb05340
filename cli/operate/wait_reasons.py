"""Explanations of the causes for which deliveries wait."""

from collections.abc import Mapping

REASON_TEXTS: Mapping[str, str] = {
    "rate": "its turn: due as soon as the rate permits",
    "sending": "Meta's answer: being sent now",
    "queue": "its turn: not yet in the ledger",
    "resume": "somebody to resume the broadcast",
    "template": "its template, which Meta does not accept just now",
    "hours": "the permitted hours",
    "spread": "its turn in the spread",
    "people": "Meta's limit of different people in 24 hours",
    "budget": "the next month: the budget is used up",
    "again": "another try after a fault at Meta",
    "slower": "another try: Meta said too fast",
    "pair": "another try: too many messages to this person",
    "sender": "the sender, which is paused",
}


def explain_wait(cause: str) -> str:
    """Return the text for a cause in the ledger; an unknown cause is returned as it is."""
    return REASON_TEXTS.get(cause, cause)

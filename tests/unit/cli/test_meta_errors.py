"""What Meta's refusals are explained with."""

import pytest

from cli.meta_errors import ADVICE, explain_code, explain_error
from services.dispatcher.domain.errors import ERROR_RULES, UNKNOWN_CODE


@pytest.mark.parametrize("code", sorted({*ERROR_RULES, *ADVICE}))
def test_every_known_code_has_a_meaning_and_advice(code: int) -> None:
    problem = explain_code(code)
    assert problem.what not in ("", UNKNOWN_CODE.meaning)
    assert problem.advice.endswith(".")


def test_an_unknown_code_says_so_and_permissions_are_a_range() -> None:
    assert explain_code(99_999).what == UNKNOWN_CODE.meaning
    assert explain_code(294) == explain_code(10)


def test_metas_own_words_are_told_unless_they_may_hold_a_secret() -> None:
    told = explain_error(400, {"code": 100, "error_subcode": 2388299, "error_user_msg": "Variables are at the end"})
    assert told.what == (
        'a variable is first or last in the text (code 100/2388299, Meta says: "Variables are at the end")'
    )
    silent = explain_error(401, {"code": 190, "message": "Malformed access token EAAG123"})
    assert "EAAG123" not in silent.what + silent.advice

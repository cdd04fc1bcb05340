"""How checks are run and told."""

import asyncio

from cli.doctor.findings import Check, CompletedCheck, DoctorProblem, build_json, format_text, run_checks

BROKEN = DoctorProblem("is broken", "Mend it.")


async def well() -> None:
    return None


async def broken() -> DoctorProblem:
    return BROKEN


async def hanging() -> None:
    await asyncio.Event().wait()


async def test_findings_come_in_the_order_of_the_checks() -> None:
    findings = await run_checks([Check("one", broken), Check("two", well)])
    assert findings == [CompletedCheck("one", BROKEN), CompletedCheck("two", None)]


async def test_a_check_that_hangs_becomes_a_problem_and_holds_up_nobody() -> None:
    one, two = await run_checks([Check("one", hanging), Check("two", well)], seconds=0.01)
    assert one.problem is not None
    assert "no result" in one.problem.what
    assert two.problem is None


def test_a_person_reads_a_line_for_each_check_and_what_to_do() -> None:
    assert format_text([CompletedCheck("one", BROKEN), CompletedCheck("two", None)]).splitlines() == [
        "PROBLEM  one: is broken",
        "         Mend it.",
        "ok       two",
        "2 checks, 1 problems",
    ]


def test_a_script_reads_whether_all_is_well() -> None:
    assert build_json([CompletedCheck("two", None)]) == {"ok": True, "checks": [{"name": "two", "ok": True}]}
    told = build_json([CompletedCheck("one", BROKEN)])
    assert told["ok"] is False
    assert told["checks"] == [{"name": "one", "ok": False, "problem": "is broken", "advice": "Mend it."}]

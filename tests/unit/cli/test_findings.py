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


async def test_findings_come_in_the_order_of_the_checks_and_one_that_hangs_becomes_a_problem() -> None:
    checks = [Check("one", hanging), Check("two", broken), Check("three", well)]
    one, *others = await run_checks(checks, seconds=0.01)
    assert one.problem is not None
    assert "no result" in one.problem.what
    assert others == [CompletedCheck("two", BROKEN), CompletedCheck("three", None)]


def test_a_person_and_a_script_read_what_is_wrong_and_what_to_do() -> None:
    findings = [CompletedCheck("one", BROKEN), CompletedCheck("two", None)]
    assert format_text(findings).splitlines() == [
        "PROBLEM  one: is broken",
        "         Mend it.",
        "ok       two",
        "2 checks, 1 problems",
    ]
    broken = {"name": "one", "ok": False, "problem": "is broken", "advice": "Mend it."}
    assert build_json(findings) == {"ok": False, "checks": [broken, {"name": "two", "ok": True}]}
    assert build_json(findings[1:])["ok"] is True

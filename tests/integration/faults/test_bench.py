"""The bench itself on a real stack: one fault of each kind, and ledgers that agree at the end."""

from pathlib import Path

import pytest

from simulator.client import DELIVERED_STATES, FAILED
from tests.contract_recorder.follower import follow_stack
from tests.faults.evaluation import evaluate_run
from tests.faults.fault_types import DISPATCHERS, FaultAction, FaultPhase, build_fault_types
from tests.faults.plan import Fault
from tests.faults.report import build_report
from tests.faults.run import FaultRun, execute_run

CITIZENS, RATE = 100, 50
# A replica with a wrong key needs some to start.
MAX_SECONDS = 10.0


def one_of_each() -> tuple[Fault, ...]:
    """One second apart; all but the alarm, which takes the broker's slow command."""
    quick = [
        recipe
        for recipe in build_fault_types(DISPATCHERS)
        if recipe.action is not FaultAction.ALARM and recipe.phase is not FaultPhase.STOPPED
    ]
    chosen = {recipe.action: recipe for recipe in sorted(quick, key=lambda recipe: recipe.phase is FaultPhase.ROUGH)}
    return tuple(
        Fault(at=1.0 + number, recipe=recipe, target=recipe.targets[0], seconds=min(recipe.seconds[0], MAX_SECONDS))
        for number, recipe in enumerate(chosen.values())
    )


@pytest.mark.timeout(300)
async def test_faults_happen_and_both_sides_agree_afterwards(folder: Path) -> None:
    said: list[str] = []
    run = FaultRun(
        folder=folder,
        seed=1,
        plan=one_of_each(),
        deliveries=CITIZENS,
        citizens=CITIZENS,
        rate=RATE,
        dispatchers=DISPATCHERS,
        history=True,
        say=said.append,
    )
    async with follow_stack(folder):
        evidence, restless = await execute_run(run)
    verdict = evaluate_run(evidence)
    assert (verdict.findings, restless) == ((), [])
    assert len(evidence.faults) == len(run.plan)
    report = build_report(evidence, verdict, restless, seed=run.seed, rate=RATE)
    assert (report["ok"], report["accepted"] >= CITIZENS) == (True, True)
    # The plan has Meta hold some back after it accepted them: they are failed for ever, and went again as others.
    assert {message.state for message in evidence.outbound} <= {*DELIVERED_STATES, FAILED}
    assert (folder / "history.jsonl").stat().st_size > 0

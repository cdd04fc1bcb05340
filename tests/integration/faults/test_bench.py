"""The bench itself on a real stack: one fault by each kind of hand, and books that agree at the end."""

from pathlib import Path

import pytest

from cli.demo.figures import ARRIVED, FAILED
from cli.faults.catalogue import RECIPES, Action, Phase
from cli.faults.course import Run, play
from cli.faults.plan import Fault
from cli.faults.verdict import judge
from tests.tap.following import followed

CITIZENS, RATE = 100, 50
# A replica with a wrong key needs some to start.
LONGEST_SECONDS = 10.0


def one_of_each() -> tuple[Fault, ...]:
    """One second apart; all but the alarm, which takes the broker's slow command."""
    quick = [recipe for recipe in RECIPES if recipe.action is not Action.ALARM and recipe.phase is not Phase.STOPPED]
    chosen = {recipe.action: recipe for recipe in sorted(quick, key=lambda recipe: recipe.phase is Phase.ROUGH)}
    return tuple(
        Fault(at=1.0 + number, recipe=recipe, target=recipe.targets[0], seconds=min(recipe.seconds[0], LONGEST_SECONDS))
        for number, recipe in enumerate(chosen.values())
    )


@pytest.mark.alone
@pytest.mark.timeout(300)
async def test_faults_happen_and_both_sides_books_agree_afterwards(tmp_path: Path) -> None:
    said: list[str] = []
    run = Run(
        folder=tmp_path,
        seed=1,
        plan=one_of_each(),
        deliveries=CITIZENS,
        citizens=CITIZENS,
        rate=RATE,
        history=True,
        say=said.append,
    )
    async with followed(tmp_path):
        evidence, restless = await play(run)
    verdict = judge(evidence)
    assert (verdict.findings, restless) == ((), [])
    assert len(evidence.faults) == len(run.plan)
    assert verdict.accepted >= CITIZENS
    # The plan has Meta hold some back after it accepted them: they are failed for ever, and went again as others.
    assert {message.state for message in evidence.outbound} <= {*ARRIVED, FAILED}
    assert (tmp_path / "history.jsonl").stat().st_size > 0

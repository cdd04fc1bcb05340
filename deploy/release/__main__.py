"""Preparation of a release: `make release` describes it, `make release WRITE=1` does the next step.

The first step writes version, catalogue, chart and changelog; once that is committed, the second creates the artefacts.
A person makes and signs commit, tag and image with the printed commands.
"""

import argparse
import sys
from datetime import date
from hashlib import sha256
from pathlib import Path

from deploy.release.plan import Plan, ask_git, plan_release
from deploy.release.sbom import write_bill

ROOT = Path(__file__).parents[2]
SUMS = "dist/SHA256SUMS"


def describe(plan: Plan) -> list[str]:
    arguments = [f"--build-arg {name}={value}" for name, value in plan.labels.items()]
    return [
        f"release   {plan.version}",
        f"changes   {', '.join(plan.edits) or 'none: prepared'}",
        f"tag       {plan.tag}",
        f"artefacts {plan.archive}, {plan.bill}, {SUMS}",
        f"image     {plan.image}, with the labels",
        *(f"            org.opencontainers.image.{name.lower()}={value}" for name, value in plan.labels.items()),
        "then",
        f"  git commit --all --message 'release: {plan.version}'" if plan.edits else f"  git tag --sign {plan.tag}",
        *(
            []
            if plan.edits
            else [f"  docker build --file deploy/Dockerfile --tag {plan.image} {' '.join(arguments)} ."]
        ),
    ]


def write_next(plan: Plan) -> list[Path]:
    """Write the edited files, or the artefacts if there are no edits. Return the paths written."""
    for name, text in plan.edits.items():
        (plan.root / name).write_text(text)
    return [plan.root / name for name in plan.edits] or write_artefacts(plan)


def write_artefacts(plan: Plan) -> list[Path]:
    """Write the source as committed, the bill of materials, and the checksums of both."""
    (plan.root / "dist").mkdir(exist_ok=True)
    prefix = f"--prefix=kreisfunk-{plan.version}/"
    ask_git(plan.root, "archive", "--format=tar.gz", prefix, f"--output={plan.archive}", "HEAD")
    artefacts = [plan.root / plan.archive, write_bill(plan.root, plan.root / "dist", plan.version, plan.committed_at)]
    sums = plan.root / SUMS
    sums.write_text("".join(f"{sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in artefacts))
    return [*artefacts, sums]


def release(root: Path, version: str | None, today: date, *, write: bool) -> int:
    """Print the release, with `write` do its next step, and return the exit status."""
    plan = plan_release(root, version, today)
    _say(*describe(plan))
    if plan.problems:
        _say("", "not possible yet:", *(f"  {problem}" for problem in plan.problems))
        return 1
    if not write:
        _say("", "Nothing was written: `make release WRITE=1` does the next step.")
        return 0
    _say("", *(f"written: {path.relative_to(root)}" for path in write_next(plan)))
    return 0


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m deploy.release", description=__doc__)
    parser.add_argument("version", nargs="?", help="by default the prepared one, or the next minor version")
    parser.add_argument("--write", action="store_true", help="do the next step")
    options = parser.parse_args()
    return release(ROOT, options.version, date.today(), write=options.write)  # noqa: DTZ011 (the local day)


if __name__ == "__main__":
    sys.exit(main())

"""Whether a process is ready."""

from shared.runtime.probes import Readiness


async def test_checks_may_be_added_while_somebody_asks() -> None:
    async def passes_and_adds() -> bool:
        readiness.add({"later": fails})
        return True

    async def fails() -> bool:
        return False

    readiness = Readiness({"first": passes_and_adds})
    assert await readiness.list_failures() == []
    assert await readiness.list_failures() == ["later"]

"""Recorder of send results, which commits them in groups."""

import asyncio
from collections.abc import Callable, Sequence

import structlog

from services.dispatcher.domain.send_results import Record
from services.dispatcher.ports import Ledger, Meter
from shared.outcome import DependencyUnavailable, InvalidDataError
from shared.runtime.bisection import store_bisected

GROUP_INTERVAL_SECONDS = 0.2
MAX_GROUP_SIZE = 500
RETRY_DELAY_SECONDS = 0.5

_log = structlog.get_logger()


class Recorder:
    """Buffer of send results, committed GROUP_INTERVAL_SECONDS later or as soon as the database is available.

    `idle` is set while all are committed. A result that the database refuses is counted; its delivery becomes unknown.
    """

    def __init__(self, ledger: Ledger, meter: Meter) -> None:
        self._ledger = ledger
        self._meter = meter
        self._results: list[Callable[[], Record]] = []
        self._arrived = asyncio.Event()
        self.idle = asyncio.Event()
        self.idle.set()

    def add(self, result: Callable[[], Record]) -> None:
        """Add a result, built when its group is committed: building them together takes a third of the time."""
        self._results.append(result)
        self._arrived.set()
        self.idle.clear()

    async def run(self) -> None:
        while True:
            await self._arrived.wait()
            await asyncio.sleep(GROUP_INTERVAL_SECONDS)
            group, self._results = self._results[:MAX_GROUP_SIZE], self._results[MAX_GROUP_SIZE:]
            records = [record for result in group if (record := _build_record(result))]
            await store_bisected(records, self._commit, self._reject)
            if not self._results:
                self._arrived.clear()
                self.idle.set()

    async def _commit(self, records: Sequence[Record]) -> None:
        # Meta's answers must not be lost if the database is unavailable or there is a bug: keep them and retry.
        while True:
            try:
                return await self._ledger.record(records)
            except DependencyUnavailable:
                await asyncio.sleep(RETRY_DELAY_SECONDS)
            except InvalidDataError:
                raise
            except Exception:
                _log.exception("recording_failed")
                await asyncio.sleep(RETRY_DELAY_SECONDS)

    async def _reject(self, record: Record, error: InvalidDataError) -> None:
        _log.error("result_refused", delivery=str(record.delivery), state=record.state.value, problem=str(error))
        self._meter.count("refused_rows", label="result")


def _build_record(result: Callable[[], Record]) -> Record | None:
    try:
        return result()
    except Exception:  # a bug costs one result, whose delivery becomes unknown, but not its group
        _log.exception("result_unusable")
        return None

"""The report: tables and `faults.json`."""

import os
import platform
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from statistics import median
from typing import Any

from rich.table import Table

from tests.faults.citizen_traffic import ERASE, STOP
from tests.faults.delivery_checks import count_unavoidable
from tests.faults.evaluation import MIN_RATE_USED, Verdict
from tests.faults.evidence import Evidence
from tests.faults.violations import Figure

MAX_SHOWN_VIOLATIONS = 20
COUNTS = (
    "deliveries",
    "accepted",
    "replies",
    "stops",
    "erasures",
    "new_numbers",
    "corrections",
    "orders_of_operators",
    "sent_again_by_operators",
    "settled_by_operators",
    "faults",
)
MAX_STALLS_SECONDS = 20.0
# Each is 0 in a run that holds; the rate has rows of its own.
FIGURES = tuple(figure for figure in Figure if figure not in (Figure.RATE, Figure.UNUSED))


def build_report(
    evidence: Evidence, verdict: Verdict, restless: Sequence[str], *, seed: int, rate: int
) -> dict[str, Any]:
    broadcasts = [row for row in evidence.ours.ledger if row.broadcast]
    accepted, system = sum(1 for message in evidence.outbound if message.template), platform.uname()
    return {
        "ok": not verdict.findings and not restless,
        "seed": seed,
        "rate": rate,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} cores, {system.system} {system.machine}, Python {platform.python_version()}",
        "deliveries": len(broadcasts),
        "accepted": accepted,
        "replies": len(evidence.outbound) - accepted,
        "stops": sum(1 for message in evidence.written if message.text == STOP),
        "erasures": sum(1 for message in evidence.written if message.text == ERASE),
        "new_numbers": len(evidence.movers),
        "corrections": sum(1 for notice in evidence.published if notice.follows),
        "orders_of_operators": len(evidence.operator_commands),
        "sent_again_by_operators": evidence.sent_again,
        "settled_by_operators": evidence.settled,
        **{figure: verdict.count(figure) for figure in FIGURES},
        "rate_violation": verdict.count(Figure.RATE),
        "worst_window": {"accepted": verdict.windows.worst, "limit": evidence.limit, "excess": verdict.windows.excess},
        "rate_used": None if verdict.rate_used is None else round(verdict.rate_used, 4),
        "rate_used_windows": [
            {"start": round(used.start, 2), "seconds": round(used.seconds, 1), "share": round(used.share, 4)}
            for used in verdict.used
        ],
        Figure.UNUSED: verdict.count(Figure.UNUSED),
        "own_stalls_s": round(sum(stall.seconds for stall in evidence.stalls), 2),
        "resent_after_unknown": sum(1 for row in evidence.ours.ledger if row.resends),
        "unavoidable_duplicates": count_unavoidable(evidence),
        "still_unknown": sum(1 for row in evidence.ours.ledger if row.state == "unknown"),
        "more_than_2_s_after_stop_during_a_fault": verdict.stop_disturbed,
        "states": Counter(row.state for row in broadcasts),
        "faults": len(evidence.faults),
        "faults_by_kind": Counter(injected.fault.kind for injected in evidence.faults),
        "not_come_to_rest": list(restless),
        "searched_for_leaks": dict(evidence.searched),
        "leaked": [vars(leak) for leak in evidence.leaks],
        "findings": [vars(finding) for finding in verdict.findings],
        "plan": list(_build_plan(evidence, verdict)),
    }


def _build_plan(evidence: Evidence, verdict: Verdict) -> Iterator[dict[str, Any]]:
    for injected, seconds, pause in zip(evidence.faults, verdict.recoveries, verdict.pauses, strict=True):
        yield {
            "at": injected.fault.at,
            "began": round(injected.began, 2),
            "kind": injected.fault.kind,
            "target": injected.fault.target,
            "seconds": injected.fault.seconds,
            "repaired_after_s": round(injected.repaired - injected.began, 1),
            "recovered_after_s": seconds,
            "longest_pause_s": pause,
        }


def build_figures_table(report: dict[str, Any]) -> Table:
    table = Table("figure", "found", "permitted", title=f"seed {report['seed']}, {report['rate']}/s")
    for name in COUNTS:
        table.add_row(name.replace("_", " "), str(report[name]), "")
    for name in FIGURES:
        table.add_row(name.replace("_", " "), str(report[name]), "0", style="bold red" if report[name] else None)
    window, red = report["worst_window"], "bold red"
    style = red if report["rate_violation"] else None
    table.add_row("worst second", str(window["accepted"]), str(window["limit"]), style=style)
    used = "nothing to be said" if report["rate_used"] is None else f"{report['rate_used']:.3f}"
    style = red if report[Figure.UNUSED] else None
    table.add_row(
        f"least rate used ({len(report['rate_used_windows'])} windows)", used, str(MIN_RATE_USED), style=style
    )
    for name in ("resent_after_unknown", "unavoidable_duplicates", "still_unknown"):
        table.add_row(name.replace("_", " "), str(report[name]), "")
    table.add_row("> 2 s after Stop in a fault", str(report["more_than_2_s_after_stop_during_a_fault"]), "")
    return table


def build_faults_table(report: dict[str, Any]) -> Table:
    """Build the table of the faults with their recovery times."""
    table = Table("fault", "times", "recovered after (median)", "(longest)", "longest pause", title="faults by kind")
    for kind, times in sorted(report["faults_by_kind"].items()):
        seconds = [fault["recovered_after_s"] for fault in report["plan"] if fault["kind"] == kind]
        known = [value for value in seconds if value is not None]
        longest = "never" if len(known) < len(seconds) else f"{max(known):.1f} s"
        pause = max(fault["longest_pause_s"] for fault in report["plan"] if fault["kind"] == kind)
        table.add_row(kind, str(times), f"{median(known):.1f} s" if known else "never", longest, f"{pause:.1f} s")
    return table


def format_violations(report: dict[str, Any]) -> Iterator[str]:
    """Format the first MAX_SHOWN_VIOLATIONS violations; the file has all of them."""
    for finding in report["findings"][:MAX_SHOWN_VIOLATIONS]:
        where = f" (delivery {finding['delivery']})" if finding["delivery"] else ""
        times = f" × {finding['count']}" if finding["count"] > 1 else ""
        yield f"{finding['figure']}: {finding['what']}{where}{times}"
    more = len(report["findings"]) - MAX_SHOWN_VIOLATIONS
    if more > 0:
        yield f"… and {more} more"
    yield from (f"did not come to rest: {what}" for what in report["not_come_to_rest"])
    if report["findings"] and report["own_stalls_s"] > MAX_STALLS_SECONDS:
        yield (
            f"simulator and proxies themselves stood still for {report['own_stalls_s']:.0f} s: for {report['rate']} a "
            "second this machine is too small or too busy, so messages seem to come late and together"
        )


def format_line(report: dict[str, Any]) -> str:
    window = report["worst_window"]
    figures = " ".join(f"{name}={report[name]}" for name in ("deliveries", "faults", *FIGURES))
    kinds = f"kinds={len(report['faults_by_kind'])} worst_window={window['accepted']}/{window['limit']}"
    kinds += f" rate_used={report['rate_used']}"
    rest = f"resent={report['resent_after_unknown']} unavoidable={report['unavoidable_duplicates']}"
    return f"faults: {'ok' if report['ok'] else 'FAILED'} {figures} {kinds} {rest} seed={report['seed']}"

"""Formats figures as text in columns."""

from __future__ import annotations

from collections.abc import Sequence

from bench.idle import IdleSuite
from bench.summary import SummaryRow
from bench.targets import MIB, PerformanceTarget

_HEAD = ("scenario", "target", "ok/s", "first p50", "added", "(range)", "p99", "added", "late", "starved")
_TAIL = ("of direct", "calls", "CPU ms", "by hop", "errors", "quiet")


def format_figures(rows: Sequence[SummaryRow]) -> str:
    """Return one line per scenario and target; times are in milliseconds, CPU per response."""
    return format_columns([(*_HEAD, *_TAIL), *(_build_cells(row) for row in rows)])


def format_targets(targets: Sequence[PerformanceTarget]) -> str:
    """Return one line per target: the figure, its goal, and whether it is reached."""
    lines = [("figure", "measured", "goal", "")]
    for target in targets:
        verdict = "reached" if target.is_reached else "not reached"
        lines.append(
            (
                target.name,
                f"{target.value:,.3g} {target.unit}".rstrip(),
                f"{target.side} {target.goal:,g} {target.unit}".rstrip(),
                verdict,
            )
        )
    return format_columns(lines)


def format_memory(idle: IdleSuite) -> str:
    """Return the memory of each idle process, and their sum."""
    lines = [("idle process", "PSS MB")]
    lines += [(name, f"{size / MIB:.1f}") for name, size in idle.pss_bytes.items()]
    return format_columns([*lines, ("all", f"{idle.total_bytes / MIB:.1f}")])


def format_columns(lines: Sequence[Sequence[str]]) -> str:
    """Return `lines` in aligned columns, words to the left and numbers to the right."""
    widths = [max(len(line[index]) for line in lines) for index in range(len(lines[0]))]
    body = lines[1:]
    numeric = [all(_is_number(line[index]) for line in body) for index in range(len(widths))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, numeric, strict=True)
        ).rstrip()
        for line in lines
    )


def _build_cells(row: SummaryRow) -> tuple[str, ...]:
    added = row.added
    by_hop = " ".join(f"{hop} {value:.2f}" for hop, value in row.cpu_ms.items())
    return (
        row.scenario,
        row.target,
        f"{row.requests_per_second:,.1f}",
        f"{row.first_p50_ms:.2f}",
        f"+{added.p50_ms:.2f}" if added else "",
        f"{added.lowest_p50_ms:.2f}..{added.highest_p50_ms:.2f}" if added else "",
        f"{row.first_p99_ms:.2f}",
        f"+{added.p99_ms:.2f}" if added else "",
        f"{row.late_percent:.2f} %",
        f"{row.starved_percent:.2f} %",
        f"{added.share_of_direct:.3f}" if added else "",
        f"{row.calls_per_response:.3f}",
        f"{row.cpu_total_ms:.2f}" if row.cpu_ms else "",
        by_hop,
        f"{row.errors} ({row.last_error})" if row.errors else "0",
        f"{row.quiet_rounds}/{row.rounds}",
    )


def _is_number(cell: str) -> bool:
    return not cell or cell.lstrip("+-")[:1].isdigit()

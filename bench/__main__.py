"""Measures the suite against a direct call: `python -m bench --help`."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import orjson

from bench import system_stats, table
from bench.idle import IdleSuite, measure_idle
from bench.load import run_load
from bench.rounds import QUIET_CORES, Probe, Run, measure
from bench.scenarios import BASELINE, SCENARIOS, Scenario, build_direct_target, build_suite_target
from bench.suite import BenchError, Provider, Tools, compile_tools, run_provider, run_suites
from bench.summary import SummaryRow, summarize
from bench.targets import build_targets

IDLE = "idle"
_WARM_UP_SECONDS = 0.5
# Long enough to request every text, even one after the other.
_FILL_SECONDS = 2.0
_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    options = _build_parser().parse_args(arguments)
    names = options.scenario or [*(scenario.name for scenario in SCENARIOS), IDLE]
    chosen = [scenario for scenario in SCENARIOS if scenario.name in names]
    try:
        tools = compile_tools()
        with tempfile.TemporaryDirectory(prefix="bench-") as folder, run_provider(tools.provider) as provider:
            idle = measure_idle(Path(folder), provider.url) if IDLE in names else None
            runs = _measure(tools, provider, chosen, options, Path(folder)) if chosen else []
    except BenchError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED
    rows = summarize(runs, baseline=BASELINE)
    _print_figures(rows, idle)
    if options.json:
        options.json.write_bytes(_build_document(runs, rows, idle))
    return 0


def _build_parser() -> argparse.ArgumentParser:
    scenarios = "\n".join(f"  {scenario.name:<16} {scenario.purpose}" for scenario in SCENARIOS)
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=__doc__,
        epilog=f"scenarios:\n{scenarios}\n  {IDLE:<16} memory of the idle suite and time to ready\n\n"
        "docs/performance.md explains each figure.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = [*(scenario.name for scenario in SCENARIOS), IDLE]
    parser.add_argument("--scenario", action="append", choices=names, help="run only this scenario; may be repeated")
    parser.add_argument("--rounds", type=_parse_positive, default=3, metavar="N", help="number of rounds (3)")
    parser.add_argument("--seconds", type=float, default=2.0, metavar="S", help="length of one run (2)")
    parser.add_argument(
        "--wait-seconds", type=float, default=1.0, metavar="S", help="longest wait for a quiet machine before a run (1)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all runs and figures to FILE")
    return parser


def _parse_positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def _measure(
    tools: Tools, provider: Provider, chosen: Sequence[Scenario], options: argparse.Namespace, folder: Path
) -> list[Run]:
    settle = partial(system_stats.wait_until_quiet, QUIET_CORES, options.wait_seconds)
    load = partial(run_load, tools.load)
    with run_suites(folder, provider, chosen) as suites:
        targets = [
            build_direct_target(provider.url),
            *(build_suite_target(name, suite.url, suite.token) for name, suite in suites.items()),
        ]
        for scenario in chosen:
            for target in (target for target in targets if target.name in scenario.suites):
                load(target, scenario, _WARM_UP_SECONDS if not scenario.texts else _FILL_SECONDS)
        runs: list[Run] = []
        probe = Probe({name: suite.pids for name, suite in suites.items()}, provider.pid, provider.count_calls)
        for run in measure(chosen, targets, probe, load, rounds=options.rounds, seconds=options.seconds, settle=settle):
            runs.append(run)
            sys.stderr.write(f"{run.scenario:<17}{run.target:<8}{run.load.requests_per_second:>10,.1f} ok/s\n")
        return runs


def _print_figures(rows: Sequence[SummaryRow], idle: IdleSuite | None) -> None:
    parts = [table.format_figures(rows)] if rows else []
    if idle is not None:
        parts.append(table.format_memory(idle))
    parts.append(table.format_targets(build_targets(rows, idle)))
    if disturbed := [f"{row.scenario}/{row.target}" for row in rows if not row.quiet_rounds]:
        parts.append(
            f"Other programs disturbed every round of {', '.join(disturbed)}: these figures are too high; run it again."
        )
    print("\n\n".join(parts))


def _build_document(runs: Sequence[Run], rows: Sequence[SummaryRow], idle: IdleSuite | None) -> bytes:
    document = {
        "rows": [asdict(row) for row in rows],
        "idle": None if idle is None else asdict(idle),
        "targets": [asdict(target) for target in build_targets(rows, idle)],
        "runs": [asdict(run) for run in runs],
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


if __name__ == "__main__":
    sys.exit(main())

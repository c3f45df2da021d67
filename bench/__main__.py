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
from bench.errors import BenchError
from bench.idle import IdleSuite, measure_idle
from bench.load import run_load
from bench.rounds import QUIET_CORES, Probe, Run, measure
from bench.scenarios import BASELINE, SCENARIOS, Scenario, direct, whole_suite
from bench.suite import Provider, run_provider
from bench.suites import run_suites
from bench.summary import Row, summarize
from bench.targets import build_targets
from bench.tools import Tools, compile_tools

REST = "rest"
_WARM_UP_SECONDS = 0.5
# Long enough to request every text, even one after the other.
_FILL_SECONDS = 2.0
_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    options = _parser().parse_args(arguments)
    names = options.scenario or [*(scenario.name for scenario in SCENARIOS), REST]
    chosen = [scenario for scenario in SCENARIOS if scenario.name in names]
    try:
        tools = compile_tools()
        with tempfile.TemporaryDirectory(prefix="bench-") as folder, run_provider(tools.provider) as provider:
            rest = measure_idle(Path(folder), provider.url) if REST in names else None
            runs = _measure(tools, provider, chosen, options, Path(folder)) if chosen else []
    except BenchError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED
    rows = summarize(runs, baseline=BASELINE)
    _print(rows, rest)
    if options.json:
        options.json.write_bytes(_document(runs, rows, rest))
    return 0


def _parser() -> argparse.ArgumentParser:
    known = "\n".join(f"  {scenario.name:<16} {scenario.purpose}" for scenario in SCENARIOS)
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=__doc__,
        epilog=f"scenarios:\n{known}\n  {REST:<16} memory of the idle suite and time to ready\n\n"
        "docs/performance.md says what each figure means.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = [*(scenario.name for scenario in SCENARIOS), REST]
    parser.add_argument("--scenario", action="append", choices=names, help="only this one; may be repeated")
    parser.add_argument("--rounds", type=_positive, default=3, metavar="N", help="how often (3)")
    parser.add_argument("--seconds", type=float, default=2.0, metavar="S", help="length of one run (2)")
    parser.add_argument(
        "--patience", type=float, default=1.0, metavar="S", help="longest wait for a quiet machine before a run (1)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured to FILE")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def _measure(
    tools: Tools, provider: Provider, chosen: Sequence[Scenario], options: argparse.Namespace, folder: Path
) -> list[Run]:
    settle = partial(system_stats.wait_until_quiet, QUIET_CORES, options.patience)
    load = partial(run_load, tools.load)
    with run_suites(folder, provider, chosen) as suites:
        targets = [direct(provider.url), *(whole_suite(name, suite.url, suite.token) for name, suite in suites.items())]
        for scenario in chosen:
            for target in (target for target in targets if target.name in scenario.suites):
                load(target, scenario, _WARM_UP_SECONDS if not scenario.texts else _FILL_SECONDS)
        runs: list[Run] = []
        probe = Probe({name: suite.pids for name, suite in suites.items()}, provider.pid, provider.calls)
        for run in measure(chosen, targets, probe, load, rounds=options.rounds, seconds=options.seconds, settle=settle):
            runs.append(run)
            sys.stderr.write(f"{run.scenario:<17}{run.target:<8}{run.load.requests_per_second:>10,.1f} ok/s\n")
        return runs


def _print(rows: Sequence[Row], rest: IdleSuite | None) -> None:
    parts = [table.format_figures(rows)] if rows else []
    if rest is not None:
        parts.append(table.format_memory(rest))
    parts.append(table.format_targets(build_targets(rows, rest)))
    if disturbed := [f"{row.scenario}/{row.target}" for row in rows if not row.quiet_rounds]:
        parts.append(
            f"Other programs used the machine in every round of {', '.join(disturbed)}: their figures are too high."
        )
    print("\n\n".join(parts))


def _document(runs: Sequence[Run], rows: Sequence[Row], rest: IdleSuite | None) -> bytes:
    document = {
        "rows": [asdict(row) for row in rows],
        "rest": None if rest is None else asdict(rest),
        "bars": [asdict(bar) for bar in build_targets(rows, rest)],
        "runs": [asdict(run) for run in runs],
    }
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


if __name__ == "__main__":
    sys.exit(main())

"""``firedrill drift``: compare two files."""

import argparse
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from firedrill.api.driftcheck import DriftColumns, DriftThresholds
from firedrill.api.errors import InvalidInput, describe
from firedrill.api.tableformat import TableFormat
from firedrill.api.task import Result
from firedrill.cli.documents import LOCAL
from firedrill.cli.errors import UsageError
from firedrill.cli.output import add_output, emit
from firedrill.engines.drift import DriftReport, check
from firedrill.report.entry import Entry
from firedrill.sources.errors import InvalidTable
from firedrill.sources.parse import parse_file
from firedrill.sources.table import SourceTable

DESCRIPTION = """\
Says whether CURRENT still looks like REFERENCE, column by column. Files are CSV with a header, Parquet or JSON
lines. The tests of all columns are corrected together (Holm), so that --alpha is the chance of any false alarm;
an alarm needs an effect at its limit as well."""
EPILOG = "exit codes: 0 no drift, 1 drift, 2 too little data to say, 3 internal error, 64 invalid input"


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser."""
    limits = DriftThresholds()
    parser = commands.add_parser(
        "drift",
        help="compare two files",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("reference", metavar="REFERENCE", help="data as it was when all was well; - for standard input")
    parser.add_argument("current", metavar="CURRENT", help="data as it is now; - for standard input")
    for name, text in (
        ("categorical", "numeric columns that are codes, not quantities"),
        ("include", "compare only these columns; dates are compared only when named here"),
        ("exclude", "do not compare these columns"),
    ):
        parser.add_argument(f"--{name}", nargs="+", action="extend", default=[], metavar="COLUMN", help=text)
    parser.add_argument(
        "--alpha",
        type=_number(float),
        default=limits.significance,
        help="chance of any false alarm (default: %(default)s)",
    )
    parser.add_argument(
        "--min-ks",
        type=_number(float),
        default=limits.min_ks_effect,
        metavar="EFFECT",
        help="least Kolmogorov-Smirnov distance that matters (default: %(default)s)",
    )
    parser.add_argument(
        "--min-v",
        type=_number(float),
        default=limits.min_categorical_effect,
        metavar="EFFECT",
        help="least Cramér's V that matters (default: %(default)s)",
    )
    parser.add_argument(
        "--min-rows",
        type=_number(int),
        default=limits.min_rows,
        metavar="ROWS",
        help="fewer rows on either side are too few (default: %(default)s)",
    )
    parser.add_argument(
        "--format", choices=[kind.value for kind in TableFormat], help="of both files (default: by name or content)"
    )
    add_output(parser)
    parser.set_defaults(handler=run)


def run(args: argparse.Namespace) -> int:
    """Run the command; returns the exit code. Raises UsageError that names the file or argument that is wrong."""
    if args.reference == args.current == "-":
        raise UsageError("only one of REFERENCE and CURRENT can be standard input")
    columns, thresholds = _settings(args)
    started = datetime.now(UTC)
    kind = TableFormat(args.format) if args.format else None
    reference, current = _read(args.reference, kind), _read(args.current, kind)
    try:
        report = check(reference, current, columns, thresholds)
    except InvalidInput as error:
        raise UsageError(f"--{str(error).removeprefix('columns.')}") from error
    except InvalidTable as error:
        raise UsageError(f"{args.reference} or {args.current}: {error}") from error
    entry = Entry("DriftCheck", "", f"{args.current} against {args.reference}", _result(report, started))
    text = json.dumps(report.to_json(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return emit([entry], args.output, args.output_file, text)


def _settings(args: argparse.Namespace) -> tuple[DriftColumns, DriftThresholds]:
    try:
        columns = DriftColumns(include=args.include, exclude=args.exclude, categorical=args.categorical)
        thresholds = DriftThresholds(
            significance=args.alpha,
            min_ks_effect=args.min_ks,
            min_categorical_effect=args.min_v,
            min_rows=args.min_rows,
        )
    except ValidationError as error:
        flags = {
            "significance": "alpha",
            "min_ks_effect": "min-ks",
            "minKsEffect": "min-ks",
            "min_categorical_effect": "min-v",
            "minCategoricalEffect": "min-v",
            "min_rows": "min-rows",
            "minRows": "min-rows",
        }
        text = describe(error, "")
        for field, flag in flags.items():
            text = text.replace(f".{field}", f"--{flag}")
        raise UsageError(text) from error
    return columns, thresholds


def _read(name: str, kind: TableFormat | None) -> SourceTable:
    path = Path("/dev/stdin" if name == "-" else name)
    try:
        return parse_file(path, kind)
    except InvalidTable as error:
        raise UsageError(f"{name}: {error}") from error
    except OSError as error:
        raise UsageError(f"{name}: {error.strerror or error}") from error


def _result(report: DriftReport, started: datetime) -> Result:
    return Result(
        uid="",
        run_id="offline",
        cluster=LOCAL,
        verdict=report.verdict,
        reason=report.reason,
        message=report.message,
        measurements=list(report.measurements),
        started_at=started,
        finished_at=datetime.now(UTC),
        report=report.to_json(),
    )


def _number(kind: type[float] | type[int]) -> Callable[[str], float]:
    """An argparse type whose error names what was given."""

    def parse(text: str) -> float:
        try:
            return kind(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number") from error

    return parse

"""``firedrill drift``: compare two files."""

import argparse
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import ValidationError
from pydantic.alias_generators import to_camel

from firedrill.api.driftcheck import (
    ColumnSettings,
    ColumnType,
    Correction,
    DriftColumns,
    DriftThresholds,
    Joint,
    Rows,
    Segments,
)
from firedrill.api.errors import InvalidInput, describe
from firedrill.api.tableformat import TableFormat
from firedrill.api.task import Result
from firedrill.cli.errors import UsageError
from firedrill.cli.local import LOCAL
from firedrill.cli.output import add_output, emit
from firedrill.engines.drift import Asked, DriftReport, check
from firedrill.report.entry import Entry
from firedrill.sources.errors import InvalidTable
from firedrill.sources.parse import parse_file
from firedrill.sources.table import SourceTable

DESCRIPTION = """\
Says whether CURRENT still looks like REFERENCE: each column, all columns together (joint) and, with --target, whether
labels still depend on the features alike (concept). Files are CSV with a header, Parquet or JSON lines. All tests are
corrected together, so that --alpha is the chance of any false alarm; an alarm needs an effect at its limit as well."""
EPILOG = "exit codes: 0 no drift, 1 drift, 2 too little data to say, 3 internal error, 64 invalid input"

#: Arguments that are limits: the field of the thresholds, and what it means.
_LIMITS: Final = {
    "alpha": ("significance", "chance of any false alarm"),
    "min-ks": ("min_ks_effect", "least difference in the share of values below or between bounds that matters"),
    "min-tv": ("min_categorical_effect", "least total variation distance of categories that matters"),
    "min-auc": ("min_joint_auc", "least area under the curve of joint drift that matters"),
    "min-loss": ("min_loss_change", "least change of loss that is concept drift"),
    "min-rows": ("min_rows", "fewer rows on either side are too few"),
}


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
    for name, text in (
        ("target", "true labels: whether they depend on the features as they did (concept drift)"),
        ("prediction", "predictions of a model: compared, but no feature"),
        ("score", "the model's probability of the label that sorts last, to estimate performance"),
        ("segment", "compare within each value of this column as well"),
    ):
        parser.add_argument(f"--{name}", metavar="COLUMN", help=text)
    parser.add_argument("--dependent", action="store_true", help="rows resemble the ones before them, as in a series")
    parser.add_argument("--order", metavar="COLUMN", help="orders dependent rows; else they are taken as they come")
    parser.add_argument("--no-joint", action="store_true", help="do not look at all columns together")
    parser.add_argument(
        "--correction",
        choices=[each.value for each in Correction],
        default=limits.correction.value,
        help="Holm bounds any false alarm, BenjaminiHochberg their share (default: %(default)s)",
    )
    for flag, (field, text) in _LIMITS.items():
        default = getattr(limits, field)
        parser.add_argument(
            f"--{flag}",
            dest=field,
            type=_number(type(default)),
            default=default,
            metavar=flag.rpartition("-")[2].upper(),
            help=f"{text} (default: %(default)s)",
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
    asked = _asked(args)
    started = datetime.now(UTC)
    kind = TableFormat(args.format) if args.format else None
    reference, current = _read(args.reference, kind), _read(args.current, kind)
    try:
        report = check(reference, current, asked)
    except InvalidInput as error:
        # The field of the spec is the argument: columns.include is --include, segments.column --segment.
        text = str(error).replace("columns.settings", "categorical").replace("segments.column", "segment")
        raise UsageError(f"--{text.removeprefix('columns.').removeprefix('rows.')}") from error
    except InvalidTable as error:
        raise UsageError(f"{args.reference} or {args.current}: {error}") from error
    entry = Entry("DriftCheck", "", f"{args.current} against {args.reference}", _result(report, started))
    text = json.dumps(report.to_json(), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return emit([entry], args.output, args.output_file, text)


def _asked(args: argparse.Namespace) -> Asked:
    if args.segment and args.dependent:
        raise UsageError("--segment can not be given with --dependent: a segment's rows are not one series")
    try:
        codes = [ColumnSettings(name=name, type=ColumnType.CATEGORICAL) for name in dict.fromkeys(args.categorical)]
        return Asked(
            columns=DriftColumns(include=args.include, exclude=args.exclude, settings=codes),
            thresholds=DriftThresholds(
                correction=Correction(args.correction), **{field: getattr(args, field) for field, _ in _LIMITS.values()}
            ),
            target=args.target,
            prediction=args.prediction,
            score=args.score,
            segments=Segments(column=args.segment) if args.segment else None,
            rows=Rows(dependent=args.dependent, order=args.order),
            joint=Joint(enabled=not args.no_joint),
        )
    except ValidationError as error:
        text = describe(error, "")
        for flag, (field, _) in _LIMITS.items():
            for name in (field, to_camel(field)):
                text = text.replace(f".{name}", f"--{flag}")
        raise UsageError(text) from error


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

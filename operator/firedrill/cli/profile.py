"""``firedrill profile``: save a reference for checks to come."""

import argparse
import hashlib
import io
import json
import sys
from pathlib import Path

from firedrill.api.tableformat import TableFormat
from firedrill.cli.errors import UsageError
from firedrill.engines.drift.saved import DEFAULT_ROWS, save
from firedrill.sources.errors import InvalidTable
from firedrill.sources.parse import parse_file

DESCRIPTION = """\
Draws rows of REFERENCE at random and writes them with the version of the model into a Parquet file, which a DriftCheck
can read and pin by its SHA-256 (spec.reference.profile), and firedrill drift can take for REFERENCE. The same REFERENCE
gives the same file. Prints what was saved as JSON."""
EPILOG = "exit codes: 0 written, 64 invalid input"


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "profile",
        help="save a reference, to be pinned",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("reference", metavar="REFERENCE", type=Path, help="CSV with a header, Parquet or JSON lines")
    parser.add_argument("-o", "--output", required=True, type=Path, metavar="FILE", help="Parquet file to write")
    parser.add_argument(
        "--rows", type=_rows, default=DEFAULT_ROWS, help="rows that are drawn at most (default: %(default)s)"
    )
    parser.add_argument("--model-version", metavar="VERSION", help="version of the model that it was trained on")
    parser.add_argument(
        "--format", choices=[kind.value for kind in TableFormat], help="of REFERENCE (default: by name or content)"
    )
    parser.set_defaults(handler=run)


def run(args: argparse.Namespace) -> int:
    """Run the command; returns the exit code. Raises UsageError that names the file that is wrong."""
    kind = TableFormat(args.format) if args.format else None
    body = io.BytesIO()
    try:
        saved = save(parse_file(args.reference, kind), body, args.rows, args.model_version)
    except InvalidTable as error:
        raise UsageError(f"{args.reference}: {error}") from error
    except OSError as error:
        raise UsageError(f"{args.reference}: {error.strerror or error}") from error
    try:
        args.output.write_bytes(body.getvalue())
    except OSError as error:
        raise UsageError(f"--output {args.output}: {error.strerror or error}") from error
    told = {
        "file": str(args.output),
        "bytes": len(body.getvalue()),
        "rows": saved.rows,
        "sampled": saved.sampled,
        "sha256": hashlib.sha256(body.getvalue()).hexdigest(),
        "modelVersion": saved.model_version,
    }
    sys.stdout.write(json.dumps(told, indent=2) + "\n")
    return 0


def _rows(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of rows")
    return int(text)

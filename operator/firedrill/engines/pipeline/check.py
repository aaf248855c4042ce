"""The test: a subject in, one report out."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from typing import Any, Final

import pyarrow as pa

from firedrill.api.datapipelinetest import DataCheck, SampleRows
from firedrill.api.errors import InvalidInput
from firedrill.api.times import NotTimes
from firedrill.engines.pipeline import columns, devices, distribution, extent, fhir, hl7, keys, ledger, reconcile
from firedrill.engines.pipeline.finding import Finding
from firedrill.engines.pipeline.report import CheckReport, PipelineReport, ordered
from firedrill.engines.pipeline.samples import sampled
from firedrill.engines.pipeline.subject import Subject
from firedrill.engines.pipeline.table import MissingColumn
from firedrill.engines.pipeline.texts import NotTexts
from firedrill.engines.pipeline.verdict import Evidence, judge

#: What Arrow computes releases the interpreter's lock, so two checks at a time use two cores.
WORKERS: Final = 2

_ENGINES: Final[Mapping[str, Callable[[Any, Subject], list[Finding]]]] = MappingProxyType(
    {
        "schema_": columns.schema,
        "nulls": columns.nulls,
        "range": columns.range_,
        "unique": keys.unique,
        "allowed": columns.allowed,
        "pattern": columns.pattern,
        "references": keys.references,
        "distribution": distribution.distribution,
        "freshness": extent.freshness,
        "volume": extent.volume,
        "reconcile": reconcile.reconcile,
        "idempotence": reconcile.idempotence,
        "speed": extent.speed,
        "ledger_balances": ledger.ledger_balances,
        "fhir": fhir.fhir,
        "hl7": hl7.hl7,
        "device_series": devices.device_series,
    }
)


def check(
    checks: Sequence[DataCheck],
    subject: Subject,
    samples: SampleRows | None = None,
    min_rows: int = 1,
    workers: int = WORKERS,
) -> PipelineReport:
    """Hold a subject against everything that is asked of it.

    A column that the data lacks, or that holds what can not be meant, fails the check that names it; one that another
    table lacks leaves it undecided. Raises InvalidInput for a regular expression that is none.
    """
    settings = samples or SampleRows()

    def run(number: int) -> CheckReport:
        asked = checks[number]
        findings = tuple(_findings(asked, number, subject))
        shown = [row for each in findings if each.passed is False for row in sampled(each.shown, settings)]
        return CheckReport(asked.name or "", asked.kind, asked.weight, findings, tuple(shown))

    if workers <= 1 or len(checks) == 1:
        done = [run(number) for number in range(len(checks))]
    else:
        with ThreadPoolExecutor(max_workers=workers) as pool:
            done = list(pool.map(run, range(len(checks))))
    reports = ordered(done)
    decision = judge(Evidence(reports, subject.data.num_rows, min_rows))
    return PipelineReport(
        verdict=decision.verdict,
        reason=decision.reason,
        message=decision.message,
        rows=subject.data.num_rows,
        columns=len(subject.data.names),
        checks=reports,
        run_seconds=tuple(run.seconds for run in subject.runs),
    )


def _findings(asked: DataCheck, number: int, subject: Subject) -> list[Finding]:
    rows = f"{subject.data.num_rows} rows"
    try:
        return _ENGINES[asked.member](asked.what, subject)
    except MissingColumn as error:
        return [Finding(asked.kind, None, "", "column is there", None if error.table else False, f"{error}; {rows}")]
    except (NotTimes, NotTexts, ledger.NotAmounts) as error:
        return [Finding(asked.kind, None, "", "values are of the kind", False, f"{error}; {rows}")]
    except InvalidInput as error:
        raise InvalidInput(f"checks[{number}].{error}") from error
    except (pa.ArrowException, ArithmeticError) as error:
        # What Arrow says may repeat a value.
        said = f"checks[{number}] can not be computed of these values ({type(error).__name__})"
        return [Finding(asked.kind, None, "", "values can be compared", None, f"{said}; {rows}")]

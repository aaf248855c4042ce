"""Double entry: what is debited in a transaction and a currency is credited in it, to the last decimal place."""

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation, localcontext
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from firedrill.api.datachecks import LedgerBalancesCheck
from firedrill.engines.pipeline.finding import Finding, Rows, Shown
from firedrill.engines.pipeline.keys import any_missing, codes_of
from firedrill.engines.pipeline.subject import Subject
from firedrill.engines.pipeline.table import Data, is_text, missing

#: Sums of a whole table below this can not overflow.
_SAFE = 2**62
#: Beyond, a floating point number has no place left for decimals of its own.
_EXACT = 2**53


class NotAmounts(ValueError):
    """A column holds what is no amount of money; the message names column and row."""


def ledger_balances(check: LedgerBalancesCheck, subject: Subject) -> list[Finding]:
    """Share of transactions (by currency) that do not balance, and of entries without transaction, currency or amount.

    Sums are of integers, in units of the last decimal place. Raises NotAmounts.
    """
    data = subject.data
    keys = [data.column(name) for name in (check.transaction, check.currency) if name is not None]
    names = [name for name in (check.transaction, check.currency) if name is not None]
    if check.amount is not None:
        amounts, blank = minor_units(data.column(check.amount), check.amount, check.scale)
        names.append(check.amount)
    else:
        assert check.debit is not None
        assert check.credit is not None
        debits, no_debit = minor_units(data.column(check.debit), check.debit, check.scale)
        credits_, no_credit = minor_units(data.column(check.credit), check.credit, check.scale)
        # An entry is on one side; the other one is blank, or zero.
        wide = max(_largest(debits), _largest(credits_)) >= _SAFE
        amounts = debits.astype(object) - credits_ if wide else debits - credits_
        blank = no_debit & no_credit
        names += [check.debit, check.credit]
    incomplete = any_missing(keys) | blank
    found = [_incomplete(data, names, incomplete)]
    codes = codes_of([[key] for key in keys])[0]
    usable = np.flatnonzero(~incomplete)
    groups, group_of = np.unique(codes[usable], return_inverse=True)
    name, limit = "ledgerBalances", "<= 0"
    if not len(groups):
        return [*found, Finding(name, None, "ratio", limit, None, f"no entry in {data.num_rows} rows")]
    sums = _sums(amounts[usable], group_of, len(groups))
    open_ones = np.array([total != 0 for total in sums], dtype=bool)
    rows = usable[open_ones[group_of]].astype(np.int64)
    count = int(np.count_nonzero(open_ones))
    what = "transactions" if check.currency is None else "transactions by currency"
    largest = max((abs(int(total)) for total in sums), default=0)
    off = f", the largest by {_decimal(largest, check.scale)}" if count else ""
    detail = f"{count} of {len(groups)} {what} do not balance{off}; {len(usable)} entries"
    shown = Shown(data, rows, tuple(names)) if count else None
    return [*found, Finding(name, count / len(groups), "ratio", limit, count == 0, detail, shown)]


def minor_units(column: Any, name: str, scale: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Amounts as integers in units of the last decimal place, and where there is none (0 stands there).

    Of a floating point number the nearest such integer counts where it is the number's own. Raises NotAmounts.
    """
    gone: NDArray[np.bool_] = missing(column).to_numpy()
    kind = column.type
    if pa.types.is_floating(kind):
        return _from_floats(column, name, scale, gone), gone
    if pa.types.is_integer(kind):
        decimals = column.cast(pa.decimal256(76, 0))
    elif pa.types.is_decimal(kind):
        decimals = column
    elif is_text(kind):
        decimals = _from_texts(column, name, gone)
    elif pa.types.is_null(kind):
        return np.zeros(len(column), dtype=np.int64), gone
    else:
        raise NotAmounts(f"column {name!r} holds no amounts but {kind}")
    return _from_decimals(decimals, name, scale), gone


def _from_decimals(decimals: Any, name: str, scale: int) -> NDArray[Any]:
    try:
        scaled = decimals.cast(pa.decimal128(38, scale))
        # Decimals of this type are such integers; with another scale they read as them.
        whole = [chunk.view(pa.decimal128(38, 0)).cast(pa.int64()) for chunk in scaled.chunks]
        units: NDArray[np.int64] = pc.fill_null(pa.chunked_array(whole, pa.int64()), 0).to_numpy()
    except pa.ArrowInvalid:
        # Too many places, or larger than the integers of the machine: those of Python have no bound.
        return np.array(
            [0 if each is None else _unit(each, row, name, scale) for row, each in enumerate(decimals.to_pylist(), 1)],
            dtype=object,
        )
    return units


def _unit(value: Decimal, row: int, name: str, scale: int) -> int:
    with localcontext(prec=200):
        scaled = value.scaleb(scale)
        if scaled != scaled.to_integral_value():
            raise NotAmounts(f"column {name!r}, row {row}: more than {scale} decimal places; set scale")
        return int(scaled)


def _from_floats(column: Any, name: str, scale: int, gone: NDArray[np.bool_]) -> NDArray[np.int64]:
    floats = pc.fill_null(column.cast(pa.float64()), 0.0).to_numpy().copy()
    floats[gone] = 0.0
    scaled = floats * 10.0**scale
    units = np.rint(scaled)
    odd = ~np.isfinite(scaled) | (np.abs(scaled) > _EXACT) | (units / 10.0**scale != floats)
    if odd.any():
        row = int(np.flatnonzero(odd)[0]) + 1
        raise NotAmounts(
            f"column {name!r}, row {row}: a floating point number that is no amount of {scale} decimal places; "
            "read it as a decimal or as text, or set scale"
        )
    whole: NDArray[np.int64] = units.astype(np.int64)
    return whole


def _from_texts(column: Any, name: str, gone: NDArray[np.bool_]) -> Any:
    values: list[Decimal | None] = []
    for row, (text, blank) in enumerate(zip(column.to_pylist(), gone, strict=True), 1):
        try:
            value = None if blank else Decimal(text.strip())
        except InvalidOperation as error:
            raise NotAmounts(f"column {name!r}, row {row}: not an amount") from error
        if value is not None and not value.is_finite():
            raise NotAmounts(f"column {name!r}, row {row}: not an amount")
        values.append(value)
    try:
        return pa.chunked_array([pa.array(values, pa.decimal256(76, 20))])
    except pa.ArrowException as error:
        raise NotAmounts(f"column {name!r}: amounts of more than 56 digits, or 20 decimal places") from error


def _sums(amounts: NDArray[Any], group_of: NDArray[Any], groups: int) -> Sequence[int] | NDArray[Any]:
    wide = amounts.dtype == object or _largest(amounts) * len(amounts) >= _SAFE
    if not wide:
        totals = np.zeros(groups, dtype=np.int64)
        np.add.at(totals, group_of, amounts)
        return totals
    exact = [0] * groups
    for group, amount in zip(group_of.tolist(), amounts.tolist(), strict=True):
        exact[group] += amount
    return exact


def _largest(amounts: NDArray[Any]) -> int:
    """The largest size as an integer of Python: the smallest integer of the machine has no positive twin there."""
    return max(abs(int(amounts.min())), abs(int(amounts.max()))) if len(amounts) else 0


def _incomplete(data: Data, names: Sequence[str], gone: NDArray[np.bool_]) -> Finding:
    rows: Rows = np.flatnonzero(gone).astype(np.int64)
    share = len(rows) / data.num_rows if data.num_rows else None
    detail = f"{len(rows)} of {data.num_rows} entries lack {', '.join(names)}"
    shown = Shown(data, rows, tuple(names)) if len(rows) else None
    return Finding("incomplete entries", share, "ratio", "<= 0", None if share is None else share == 0, detail, shown)


def _decimal(units: int, scale: int) -> str:
    whole, rest = divmod(units, 10**scale)
    return f"{whole}.{rest:0{scale}d}" if scale else str(whole)

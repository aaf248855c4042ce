"""Writes the data of the samples: synthetic card payments and postings of a ledger, from fixed seeds."""

import csv
import sys
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).resolve().parent.parent / "manifests" / "samples" / "data"
_COUNTRIES = ("CH", "DE", "FR", "GB", "US")
_CHANNELS = ("chip", "contactless", "online")


def payments(path: Path, *, seed: int, rows: int, scale: float, countries: tuple[float, ...]) -> None:
    """Write payments whose amounts are multiplied by ``scale`` and whose countries have these shares."""
    rng = np.random.default_rng(seed)
    amount = np.round(rng.lognormal(3.4, 0.9, rows) * scale, 2)
    hour = rng.normal(14, 4, rows).clip(0, 23).round(1)
    risk = rng.beta(2, 8, rows).round(4)
    country = rng.choice(_COUNTRIES, rows, p=countries)
    channel = rng.choice(_CHANNELS, rows, p=(0.3, 0.45, 0.25))
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("amount", "hour", "merchant_risk", "country", "channel"))
        writer.writerows(zip(amount, hour, risk, country, channel, strict=True))


def ledger(entries: Path, accounts: Path, *, seed: int, transactions: int) -> None:
    """Write accounts, and transactions of two postings each that add up to zero."""
    rng = np.random.default_rng(seed)
    names = [f"CH{number}" for number in range(1000, 1012)]
    with accounts.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("account", "owner"))
        writer.writerows((name, f"owner-{number}") for number, name in enumerate(names))
    with entries.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("entry", "transaction", "account", "amount", "currency"))
        for number in range(transactions):
            payer, payee = rng.choice(names, 2, replace=False)
            cents, currency = int(rng.integers(100, 500_000)), rng.choice(("CHF", "EUR"))
            amount = f"{cents // 100}.{cents % 100:02d}"
            for side, (account, value) in enumerate(((payer, f"-{amount}"), (payee, amount))):
                writer.writerow((2 * number + side + 1, f"T{number:04d}", account, value, currency))


def labelled(path: Path, *, seed: int, rows: int, learned: bool) -> None:
    """Write payments with whether they were fraud: by risk and hour; once fraudsters have learned, at other hours."""
    rng = np.random.default_rng(seed)
    amount = np.round(rng.lognormal(3.4, 0.9, rows), 2)
    hour = rng.uniform(0, 24, rows).round(1)
    risk = rng.beta(2, 4, rows).round(4)
    at_it = (hour < 12) if learned else (hour >= 12)
    fraud = (risk > 0.3) & at_it ^ (rng.random(rows) < 0.05)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("amount", "hour", "merchant_risk", "fraud"))
        writer.writerows(zip(amount, hour, risk, fraud.astype(int), strict=True))


def main() -> int:
    """Write all files; returns 0."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    usual = (0.35, 0.25, 0.15, 0.15, 0.10)
    payments(FOLDER / "payments-reference.csv", seed=1, rows=1500, scale=1.0, countries=usual)
    payments(FOLDER / "payments-current.csv", seed=2, rows=600, scale=1.0, countries=usual)
    payments(FOLDER / "payments-drifted.csv", seed=3, rows=600, scale=1.7, countries=(0.15, 0.2, 0.15, 0.15, 0.35))
    ledger(FOLDER / "ledger-entries.csv", FOLDER / "ledger-accounts.csv", seed=4, transactions=60)
    labelled(FOLDER / "payments-labelled-reference.csv", seed=4, rows=1000, learned=False)
    labelled(FOLDER / "payments-labelled-current.csv", seed=5, rows=700, learned=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

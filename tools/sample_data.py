"""Writes the data of the DriftCheck samples: synthetic card payments, from fixed seeds."""

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
    labelled(FOLDER / "payments-labelled-reference.csv", seed=4, rows=1000, learned=False)
    labelled(FOLDER / "payments-labelled-current.csv", seed=5, rows=700, learned=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Numbers as texts write them: the same for features, labels, logs and what a probe is told.

What else is a number is for who reads: labels take true and false for 1 and 0, and no infinities; DriftCheck tells a
text that is none from one that says that there is none; Prometheus and Parquet write numbers in a way of their own.
"""


def number_in(text: str) -> float | None:
    """The number that a text is, whatever space is around it: ``1``, ``-1.5e-02``, ``nan``, ``inf``; else None.

    An underscore makes no number, though Python takes it for one: ``1_000`` is a code.
    """
    if "_" in text:
        return None
    try:
        return float(text)
    except ValueError:
        return None

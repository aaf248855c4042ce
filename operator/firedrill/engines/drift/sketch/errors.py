"""What makes a sketch impossible."""


class MixedColumn(ValueError):
    """A column has values of one type in one piece of a table and of another type in the next."""


class SourceChanged(ValueError):
    """Workers have read different versions of a table."""

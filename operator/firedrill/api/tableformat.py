"""How a table is written."""

from enum import StrEnum


class TableFormat(StrEnum):
    """Formats that are read."""

    CSV = "csv"
    PARQUET = "parquet"
    JSONL = "jsonl"
    ARROW = "arrow"
    #: A row a line, in the one column ``line``.
    LINES = "lines"
    #: A row an HL7 message, in the one column ``message``.
    HL7 = "hl7"
    #: CloudEvents of KServe's logger, one a line: requests and responses become features and predictions.
    KSERVE_LOG = "kserveLog"
    #: Data capture of SageMaker, one event a line.
    SAGEMAKER_CAPTURE = "sagemakerCapture"

    @property
    def of_lines(self) -> bool:
        """Whether it can be told message by message."""
        return self not in (TableFormat.CSV, TableFormat.PARQUET, TableFormat.ARROW)

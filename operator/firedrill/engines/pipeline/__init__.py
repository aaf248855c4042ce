"""Checks of a data set: a table in, one measurement for each thing that is asked of it out."""

from firedrill.engines.pipeline.check import check
from firedrill.engines.pipeline.report import PipelineReport
from firedrill.engines.pipeline.subject import Latencies, PipelineRun, Subject
from firedrill.engines.pipeline.table import Data

__all__ = ["Data", "Latencies", "PipelineReport", "PipelineRun", "Subject", "check"]

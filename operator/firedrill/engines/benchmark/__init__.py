"""Performance benchmarks: how fast, how reliable, up to which rate?"""

from firedrill.engines.benchmark.evaluate import evaluate
from firedrill.engines.benchmark.ramp import next_rate
from firedrill.engines.benchmark.report import BenchmarkReport
from firedrill.engines.benchmark.tally import Phase, PodUsage, Tally

__all__ = ["BenchmarkReport", "Phase", "PodUsage", "Tally", "evaluate", "next_rate"]

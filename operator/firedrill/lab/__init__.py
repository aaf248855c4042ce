"""Local clusters to practise on: by kind, by Linux namespaces alone, or ones that exist already."""

from firedrill.lab.errors import LabError
from firedrill.lab.lab import down, status, up
from firedrill.lab.model import ClusterState, LabSpec, LabState, Phase, Provider

__all__ = ["ClusterState", "LabError", "LabSpec", "LabState", "Phase", "Provider", "down", "status", "up"]

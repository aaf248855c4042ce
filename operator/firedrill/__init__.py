"""Firedrill practises failure before it happens."""

#: Of the package, the chart and the images alike.
__version__ = "0.1.0"

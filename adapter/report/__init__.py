"""The report people look at."""

from adapter.report.render import render

__all__ = ["render"]

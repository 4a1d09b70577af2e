"""Kernel models (kmodel files) on the host: read and judged, described, run with the KPU's exact arithmetic."""

from k210kit.kmodel.model import Model
from k210kit.kmodel.read import load, read
from k210kit.kmodel.run import Runtime

__all__ = ["Model", "Runtime", "load", "read"]

"""ONNX networks to kernel models of version 3, which every K210 firmware loads."""

from k210kit.compiler.compile import Compiled, Options, compile_model

__all__ = ["Compiled", "Options", "compile_model"]

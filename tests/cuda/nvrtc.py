"""Compile CUDA source for any architecture on a machine without a GPU: ctypes over the `nvidia-cuda-nvrtc` wheel.

NVRTC contains the assembler, whose log tells registers and spills for each kernel.
"""

import ctypes
import importlib.metadata
import re
from functools import cache
from typing import NamedTuple

__all__ = ["CompileError", "Usage", "compile_cubin", "load", "missing"]

_WHEEL = "nvidia-cuda-nvrtc"


class CompileError(Exception):
    """NVRTC refused the source; the text is its log."""


class Usage(NamedTuple):
    """What one compiled kernel needs of the machine."""

    registers: int
    spilled: int  # bytes, stores and loads
    stack: int


def missing() -> str:
    """Why nothing can be compiled here, or an empty string."""
    try:
        importlib.metadata.files(_WHEEL)
    except importlib.metadata.PackageNotFoundError:
        return f"{_WHEEL} is not installed (extra `cuda-compile`)"
    return ""


@cache
def load() -> ctypes.CDLL:
    """The NVRTC library of the wheel, its builtins loaded first: it looks for them by their bare name."""
    paths = {path.name: str(path.locate()) for path in importlib.metadata.files(_WHEEL) or ()}
    (builtins,) = [path for name, path in paths.items() if re.fullmatch(r"libnvrtc-builtins\.so\.[\d.]+", name)]
    (library,) = [path for name, path in paths.items() if re.fullmatch(r"libnvrtc\.so\.\d+", name)]
    ctypes.CDLL(builtins, mode=ctypes.RTLD_GLOBAL)
    return ctypes.CDLL(library)


def compile_cubin(
    source: str, expressions: tuple[str, ...], arch: str, options: tuple[str, ...] = ()
) -> dict[str, Usage]:
    """Compile template instances to machine code.

    Parameters
    ----------
    source : str
    expressions : tuple of str
        The instances, e.g. ``"kernel<64>"``.
    arch : str
        ``"sm_80"``; a ``"compute_80"`` would not run the assembler.
    options : tuple of str
        Compiler options.

    Returns
    -------
    dict of str to Usage
        For each expression, what it needs.

    Raises
    ------
    CompileError
        With the compiler's log.
    """
    nvrtc, program = load(), ctypes.c_void_p()
    _check(nvrtc.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"kernel.cu", 0, None, None))
    try:
        for expression in expressions:
            _check(nvrtc.nvrtcAddNameExpression(program, expression.encode()))
        flags = [f"-arch={arch}", "--ptxas-options=-v", *options]
        status = nvrtc.nvrtcCompileProgram(program, len(flags), (ctypes.c_char_p * len(flags))(*map(str.encode, flags)))
        log = _log(nvrtc, program)
        if status:
            raise CompileError(log)
        return {expression: _usage(log, _lowered(nvrtc, program, expression)) for expression in expressions}
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))


def _lowered(nvrtc: ctypes.CDLL, program: ctypes.c_void_p, expression: str) -> str:
    name = ctypes.c_char_p()
    _check(nvrtc.nvrtcGetLoweredName(program, expression.encode(), ctypes.byref(name)))
    return (name.value or b"").decode()


def _log(nvrtc: ctypes.CDLL, program: ctypes.c_void_p) -> str:
    size = ctypes.c_size_t()
    _check(nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size)))
    text = ctypes.create_string_buffer(size.value)
    _check(nvrtc.nvrtcGetProgramLog(program, text))
    return text.value.decode()


def _usage(log: str, kernel: str) -> Usage:
    """Read the part of the assembler's log that speaks of one kernel."""
    found = re.search(
        rf"Function properties for {re.escape(kernel)}\s*\n"
        r"\D*(?P<stack>\d+) bytes stack frame, (?P<stores>\d+) bytes spill stores, (?P<loads>\d+) bytes spill loads"
        r"(?:.|\n)*?Used (?P<registers>\d+) registers",
        log,
    )
    if found is None:
        raise CompileError(f"the assembler's log says nothing of {kernel}:\n{log}")
    return Usage(int(found["registers"]), int(found["stores"]) + int(found["loads"]), int(found["stack"]))


def _check(status: int) -> None:
    if status:
        raise CompileError(f"NVRTC returned status {status}")

"""Run a Python process whose kernels are compiled under a sanitizer of g++."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

__all__ = ["FLAGS", "missing", "run"]

FLAGS = {
    "plain": "-O2",
    "portable": "-O2 -DSHIM_PORTABLE",  # fibers as on other processors than x86-64
    "address": "-O1 -g -fsanitize=address,alignment -fno-sanitize-recover=alignment",
    "thread": "-O1 -g -fsanitize=thread",
}
_LIBRARY = {"address": "libasan.so", "thread": "libtsan.so"}
_OPTIONS = {
    "ASAN_OPTIONS": "detect_leaks=0",  # Python's
    "TSAN_OPTIONS": "exitcode=66 halt_on_error=1",
    "OPENBLAS_NUM_THREADS": "1",  # threads that the sanitizer would have to watch, too
}


def _library(sanitizer: str) -> str:
    command = ["g++", f"-print-file-name={_LIBRARY[sanitizer]}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def missing(sanitizer: str) -> str:
    """Why a sanitizer cannot be used here, or an empty string."""
    if shutil.which("g++") is None:
        return "no g++ to run kernels on the CPU"
    if sanitizer in _LIBRARY and not Path(_library(sanitizer)).is_absolute():
        return f"g++ has no {_LIBRARY[sanitizer]}"
    return ""


def run(sanitizer: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``python *arguments`` with the sanitizer's library loaded first, in the repository's root."""
    environment = {**os.environ, **_OPTIONS, "STAND_IN_CXXFLAGS": FLAGS[sanitizer]}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    if sanitizer in _LIBRARY:
        environment["LD_PRELOAD"] = _library(sanitizer)
    root = Path(__file__).parents[2]
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=environment, cwd=root, capture_output=True, text=True, timeout=600, check=False)

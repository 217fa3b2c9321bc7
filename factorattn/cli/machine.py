"""What a comparison ran on, as far as it decides the figures."""

import os
import platform
import re
from importlib.metadata import version
from typing import Any

__all__ = ["available_memory", "machine"]

_OWNER = re.compile(r"[/\\](numpy|scipy)(?:\.libs)?[/\\]")  # the folder that a wheel keeps its libraries in


def machine(namespace: str) -> dict[str, str]:
    """Names and versions of the processor and of the libraries that compute."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    told = {
        "processor": f"{_processor()}, {cpus} CPU{'s' * (cpus > 1)}",
        "python": platform.python_version(),
        "numpy": version("numpy"),
        "numba": version("numba"),
        "blas": _blas(),
    }
    if "OPENBLAS_CORETYPE" in os.environ:
        told["OPENBLAS_CORETYPE"] = os.environ["OPENBLAS_CORETYPE"]
    if namespace == "cupy":
        import cupy

        told["cupy"] = cupy.__version__
        told["gpu"] = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)["name"].decode()
    return told


def available_memory(namespace: str) -> int | None:
    """Bytes that can still be had, None where that is not known."""
    if namespace == "cupy":
        import cupy

        return cupy.cuda.runtime.memGetInfo()[0]
    try:
        with open("/proc/meminfo") as file:
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return None


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.partition(":")[2].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _blas() -> str:
    from threadpoolctl import threadpool_info

    def told(library: dict[str, Any]) -> str:
        """Without where it lies: NumPy and SciPy may each bring the same one."""
        threads = f"{library['num_threads']} threads"
        parts = (library["internal_api"], library.get("version"), library.get("architecture"), threads)
        return " ".join(str(part) for part in parts if part)

    owners: dict[str, set[str]] = {}
    for library in threadpool_info():
        if library["user_api"] == "blas":
            owners.setdefault(told(library), set()).update(_OWNER.findall(library["filepath"]))
    if len(owners) == 1:
        return next(iter(owners))
    named = (f"{text} (of {' and '.join(sorted(who))})" if who else text for text, who in sorted(owners.items()))
    return ", ".join(named) or "unknown"

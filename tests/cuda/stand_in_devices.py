"""Pretended devices and streams: they keep count of which is current, as CuPy does, and do nothing else."""

from itertools import count
from types import SimpleNamespace
from typing import Any

__all__ = ["LIMITS", "Device", "Stream", "get_current_stream", "runtime"]

LIMITS = {"MaxSharedMemoryPerBlockOptin": 227 << 10}  # of an sm_90

_devices: list["Device"] = []
_streams: list["Stream"] = []


class Device:
    """A device by its number; without one, the current device."""

    def __init__(self, device: int | None = None):
        self.id = device if device is not None else _devices[-1].id if _devices else 0

    def __enter__(self) -> "Device":
        _devices.append(self)
        return self

    def __exit__(self, *_: Any) -> None:
        _devices.pop()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Device) and self.id == other.id

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"<Device {self.id}>"


class Stream:
    """A stream; kernels run at once whichever it is, but the record of a launch names it."""

    _pointers = count(1)

    def __init__(self, null: bool = False, non_blocking: bool = False):
        self.ptr = 0 if null else next(self._pointers)

    def __enter__(self) -> "Stream":
        _streams.append(self)
        return self

    def __exit__(self, *_: Any) -> None:
        _streams.pop()

    def synchronize(self) -> None:
        """Everything has already run."""


Stream.null = Stream(null=True)


def get_current_stream() -> Stream:
    """The innermost stream of a ``with`` block, or the null stream."""
    return _streams[-1] if _streams else Stream.null


def _attribute(attribute: int, device: int) -> int:
    if attribute != runtime.cudaDevAttrMaxSharedMemoryPerBlockOptin:
        raise NotImplementedError(f"device attribute {attribute}")
    return LIMITS["MaxSharedMemoryPerBlockOptin"]


runtime = SimpleNamespace(
    cudaDevAttrMaxSharedMemoryPerBlockOptin=97, deviceGetAttribute=_attribute, getDeviceCount=lambda: 2
)

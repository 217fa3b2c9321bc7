"""The array libraries that parts of mechanisms are tested on, by the name of their namespace."""

import pytest

TORCH = pytest.param("array_api_compat.torch", marks=pytest.mark.peers)
LIBRARIES = ["array_api_compat.numpy", "array_api_strict", TORCH]

"""Arrays inside JSON: compressed, as text."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray


def packed(array: NDArray[Any]) -> dict[str, Any]:
    """An array as plain data, without loss."""
    data = base64.b64encode(zlib.compress(np.ascontiguousarray(array).tobytes(), 9)).decode()
    return {"dtype": array.dtype.str, "shape": list(array.shape), "zlib": data}


def unpacked(data: dict[str, Any]) -> NDArray[Any]:
    """The array that ``packed`` made plain."""
    raw = zlib.decompress(base64.b64decode(data["zlib"]))
    return np.frombuffer(raw, np.dtype(data["dtype"])).reshape(data["shape"])

"""The controller's general purpose registers, through which the control script and its client talk."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

COUNT = 48


class Registers:
    """48 integer and 48 double registers each way; `offset` (0 or 24) is the client's choice of half."""

    def __init__(self) -> None:
        self.input_int = [0] * COUNT
        self.input_double = [0.0] * COUNT
        self.output_int = [0] * COUNT
        self.output_double = [0.0] * COUNT
        self.offset = 0

    def store(self, name: str, value: object) -> bool:
        """Write an input register by its RTDE name; False if the name is no register."""
        kind, _, number = name.rpartition("_")
        if kind == "input_int_register":
            self.input_int[int(number)] = int(value)  # type: ignore[call-overload]
        elif kind == "input_double_register":
            self.input_double[int(number)] = float(value)  # type: ignore[arg-type]
        else:
            return False
        return True

    @property
    def command_name(self) -> str:
        """RTDE name of the register that carries the command, which the watchdog watches."""
        return f"input_int_register_{self.offset}"

    def int_in(self, number: int) -> int:
        return self.input_int[self.offset + number]

    def doubles_in(self, first: int, count: int) -> npt.NDArray[np.float64]:
        return np.array(self.input_double[self.offset + first : self.offset + first + count])

    def int_out(self, number: int, value: int) -> None:
        self.output_int[self.offset + number] = value

    def doubles_out(self, values: npt.ArrayLike) -> None:
        for number, value in enumerate(np.asarray(values, dtype=float)):
            self.output_double[self.offset + number] = float(value)

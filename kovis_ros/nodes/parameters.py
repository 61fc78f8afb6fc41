"""Parameters of a node from one table: type, range, description; what is not in the table is refused."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node

OWN_OF_RCLPY = ("use_sim_time", "start_type_description_service", "qos_overrides")


class ParameterError(ValueError):
    """A parameter is unknown, of the wrong type or out of range; the message names the known ones or the range."""


class Parameter(NamedTuple):
    """One row of the table. The type is that of the default; ``low`` and ``high`` are inclusive."""

    name: str
    default: Any
    description: str  # with the unit
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()


def declare(node: Node, table: Sequence[Parameter]) -> SimpleNamespace:
    """Declare the table's parameters and return their values, dots in names replaced by underscores.

    The node must be made with ``automatically_declare_parameters_from_overrides=True``: that is how rclpy shows
    overrides nobody asked for, which raise ParameterError here instead of being ignored. All are read-only.
    """
    given = {
        name: parameter.value
        for name, parameter in node.get_parameters_by_prefix("").items()
        if name.split(".")[0] not in OWN_OF_RCLPY
    }
    known = {row.name: row for row in table}
    for name in given:
        if name not in known:
            raise ParameterError(f"{node.get_name()}: parameter {name!r} is unknown: known are {', '.join(known)}")
    values = SimpleNamespace()
    for row in table:
        value = _checked(node.get_name(), row, given.get(row.name, row.default))
        if row.name in given:
            node.undeclare_parameter(row.name)
        node.declare_parameter(row.name, value, _descriptor(row), ignore_override=True)
        setattr(values, row.name.replace(".", "_"), value)
    return values


def _checked(node: str, row: Parameter, value: Any) -> Any:
    """The value in the type of the default, or ParameterError."""
    kind = type(row.default)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    where = f"{node}: parameter {row.name} = {value!r}"
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ParameterError(f"{where} is no {kind.__name__}: {row.description}")
    if row.choices and value not in row.choices:
        raise ParameterError(f"{where} is unknown: choose from {', '.join(row.choices)}")
    low = -float("inf") if row.low is None else row.low
    high = float("inf") if row.high is None else row.high
    if kind in (int, float) and not low <= value <= high:
        raise ParameterError(f"{where} is out of range: give {low:g} to {high:g} ({row.description})")
    return value


def _descriptor(row: Parameter) -> ParameterDescriptor:
    choices = f"one of: {', '.join(row.choices)}" if row.choices else ""
    descriptor = ParameterDescriptor(description=row.description, additional_constraints=choices, read_only=True)
    if row.low is not None and row.high is not None:
        if isinstance(row.default, float):
            descriptor.floating_point_range = [FloatingPointRange(from_value=float(row.low), to_value=float(row.high))]
        elif isinstance(row.default, int):
            descriptor.integer_range = [IntegerRange(from_value=int(row.low), to_value=int(row.high), step=1)]
    return descriptor

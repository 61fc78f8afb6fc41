"""Plain data to frozen dataclasses, key by key: unknown keys, wrong types, reversed ranges, no numbers are errors."""

from __future__ import annotations

import dataclasses
import sys
import types
import typing
from collections.abc import Collection
from typing import Any

Range = tuple[float, float]
Whole = tuple[int, int]  # a range of counts
Triple = tuple[float, float, float]


class ConfigError(ValueError):
    """A setting is unknown, malformed or out of range; the message names it, its value and the remedy."""


class ConfigWarning(UserWarning):
    """A setting can be, but hardly what was meant."""


def build(kind: Any, data: Any, where: str) -> Any:
    """Instance of dataclass ``kind`` from a mapping, checked key by key."""
    if not isinstance(data, dict):
        raise ConfigError(f"{where} is {data!r}: a mapping of settings is needed")
    hints = typing.get_type_hints(kind)
    known = {item.name: item for item in dataclasses.fields(kind)}
    for key in data:
        if key not in known:
            raise ConfigError(f"{where}: key {key!r} is unknown: known are {', '.join(known)}")
    for name, item in known.items():
        required = item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
        if required and name not in data:
            raise ConfigError(f"{where}: key {name!r} is missing: add it")
    return kind(**{key: _value(hints[key], value, f"{where}: {key}") for key, value in data.items()})


def _value(hint: Any, value: Any, where: str) -> Any:
    """``value`` as the annotated type, or ConfigError."""
    if dataclasses.is_dataclass(hint):
        return build(hint, value, where)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:
        return None if value is None else _value(arguments[0], value, where)
    if origin is tuple:
        return _tuple(hint, arguments, value, where)
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return _finite(value, where)
    if isinstance(value, hint) and not (hint is int and isinstance(value, bool)):
        return value
    raise ConfigError(f"{where} is {value!r}: a {hint.__name__} is needed")


def _finite(value: float, where: str) -> float:
    """A number that is one; YAML has .nan and .inf too."""
    if not abs(value) <= sys.float_info.max:
        raise ConfigError(f"{where} is {value!r}: a finite number is needed")
    return float(value)


def _tuple(hint: Any, arguments: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    """Sequence of the annotated length; a pair of numbers is a range and must not be reversed."""
    if not isinstance(value, list | tuple):
        raise ConfigError(f"{where} is {value!r}: a list is needed")
    if arguments[-1] is Ellipsis:
        return tuple(_value(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if len(value) != len(arguments):
        raise ConfigError(f"{where} is {value!r}: {len(arguments)} values are needed")
    pairs = zip(arguments, value, strict=True)
    result = tuple(_value(kind, item, f"{where}[{i}]") for i, (kind, item) in enumerate(pairs))
    if hint in (Range, Whole) and result[0] > result[1]:
        raise ConfigError(f"{where} is {value!r}: the lower limit comes first")
    return result


def not_negative(config: Any, where: str, signed: Collection[str] = (), section: str = "") -> None:
    """ConfigError names the first number below zero of a dataclass and of those within it.

    Coordinates (``Triple``) may be negative, and so may the settings whose dotted names are in ``signed``.
    """
    for name, hint in typing.get_type_hints(type(config)).items():
        value, dotted = getattr(config, name), f"{section}{name}"
        if dotted in signed or Triple in (hint, *typing.get_args(hint)):
            continue
        for part in value if isinstance(value, tuple) else (value,):
            least = min(part, default=0) if isinstance(part, tuple) else part
            if dataclasses.is_dataclass(part):
                not_negative(part, where, signed, f"{dotted}.")
            elif isinstance(least, int | float) and least < 0:
                shown = list(value) if isinstance(value, tuple) else value
                raise ConfigError(f"{where}: {dotted} is {shown}: give 0 or more")

"""Settings as YAML: a file is read whole, and every key of it stands there once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from kovis_ros.method.parsing import ConfigError


class TwiceError(yaml.YAMLError):
    """A key stands twice in one mapping: YAML itself would take the last without a word."""


class Once(yaml.SafeLoader):
    """Plain data alone, and no key twice; one that overrides what ``<<`` merges is not twice."""

    def compose_mapping_node(self, anchor: Any) -> Any:
        """The mapping's node, before anything is merged into it; TwiceError names the key and both lines."""
        node = super().compose_mapping_node(anchor)
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                line = key.start_mark.line + 1
                if key.value in lines:
                    raise TwiceError(f"key {key.value!r} stands in line {lines[key.value]} and again in line {line}")
                lines[key.value] = line
        return node


def read(path: Path, name: str, remedy: str = "mend it") -> Any:
    """Plain data of a YAML file; ConfigError calls it ``name`` and its path when it cannot be read or understood."""
    try:
        return yaml.load(path.read_text(), Once)
    except OSError as error:
        raise ConfigError(f"{name} {path} cannot be read ({error.strerror}): check the path") from error
    except TwiceError as error:
        raise ConfigError(f"{name} {path}: {error}: keep one of them") from error
    except RecursionError as error:
        raise ConfigError(f"{name} {path} is nested too deeply: settings are mappings of a few levels") from error
    except (yaml.YAMLError, ValueError) as error:  # a ValueError: no UTF-8, or a date that is none
        raise ConfigError(f"{name} {path} is no YAML ({' '.join(str(error).split())}): {remedy}") from error

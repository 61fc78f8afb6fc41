"""Dispatcher of the `kovis` command.

A command is a module of this package: its name with `-` for `_`, the first line of its docstring is the help,
`add_arguments(parser)` declares its options and `run(args) -> int` does the work. Every command has `--json FILE`,
which arrives as `args.json` for kovis_ros.cli.save_json, and the words that were typed as `args.typed`.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import os
import shlex
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from kovis_ros import __version__
from kovis_ros.method.config import ConfigError
from kovis_ros.method.parsing import ConfigWarning

OURS = ("kovis_ros", "kovis_sim")
INSTALL = {
    "cv2": "pip install 'kovis_ros[sim]'",
    "cv_bridge": "run `make setup`, or source ROS 2",
    "kovis_msgs": "run `make setup`, or build it with colcon and source the workspace",
    "lightning": "pip install 'kovis_ros[train]'",
    "manifold3d": "pip install 'kovis_ros[sim]'",
    "matplotlib": "pip install 'kovis_ros[train]'",
    "mitsuba": "pip install 'kovis_ros[path]'",
    "PIL": "pip install 'kovis_ros[sim]'",
    "pybullet": "pip install 'kovis_ros[sim]'",
    "pyrealsense2": "pip install 'kovis_ros[realsense]'",
    "rclpy": "run `make setup`, or source ROS 2",
    "rosbags": "pip install 'kovis_ros[bags]'",
    "skimage": "pip install 'kovis_ros[sim]'",
    "rtde_control": "pip install 'kovis_ros[ur]'",
    "rtde_receive": "pip install 'kovis_ros[ur]'",
    "safetensors": "pip install 'kovis_ros[torch]'",
    "scipy": "pip install 'kovis_ros[sim]'",
    "sensor_msgs": "run `make setup`, or source ROS 2",
    "torch": "pip install 'kovis_ros[torch]'",
    "tqdm": "pip install 'kovis_ros[sim]'",
    "trimesh": "pip install 'kovis_ros[sim]'",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code.

    0 done, 1 failed, 2 wrong usage or settings, 3 a package is missing, 130 interrupted.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        with one_line_warnings():
            code = dispatch(words)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return complain("interrupted", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        return report(error)


@contextmanager
def one_line_warnings() -> Iterator[None]:
    """Within it a warning about settings is one line on stderr; all others look as always."""
    with warnings.catch_warnings():
        usual = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *where: Any) -> None:
            if issubclass(category, ConfigWarning):
                print(f"kovis: warning: {message}", file=sys.stderr)
            else:
                usual(message, category, *where)

        warnings.showwarning = show
        yield


def dispatch(words: Sequence[str]) -> int:
    """Run the command that the first word names; returns its exit code."""
    known = commands()
    if not words or words[0] in ("-h", "--help"):
        print(overview(known))
        return 0 if words else 2
    if words[0] == "--version":
        print(f"kovis {__version__}")
        return 0
    if words[0] not in known:
        return complain(f"command {words[0]!r} is unknown: choose from {', '.join(known)}", 2)
    module = importlib.import_module(f"kovis_ros.cli.{known[words[0]].stem}")
    return int(module.run(arguments(module, words)) or 0)


def commands() -> dict[str, Path]:
    """Command name -> its file, in alphabetical order."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return {file.stem.replace("_", "-"): file for file in files if file.stem not in ("__init__", "main")}


def overview(known: dict[str, Path]) -> str:
    """The help of `kovis` itself, made without importing a command."""
    width = max(map(len, known), default=0)
    rows = [f"  {name:<{width}}  {first_line(file)}" for name, file in known.items()]
    return "\n".join(["usage: kovis COMMAND [options]", "", *rows, "", "`kovis COMMAND --help` tells the options."])


def first_line(file: Path) -> str:
    """First line of a module's docstring."""
    return (ast.get_docstring(ast.parse(file.read_text())) or "").partition("\n")[0]


def arguments(module: ModuleType, words: Sequence[str]) -> argparse.Namespace:
    """The command's parsed options; exits with 2 and a line when they are wrong."""
    parser = Parser(
        prog=f"kovis {words[0]}", description=module.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    module.add_arguments(parser)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the result as one JSON object")
    args = parser.parse_intermixed_args(list(words[1:]))  # NAME:=VALUE may come after options, too
    args.typed = shlex.join(["kovis", *words])  # what a result says it was made by
    if args.json is not None and not args.json.resolve().parent.is_dir():
        parser.error(f"--json {args.json}: folder {args.json.resolve().parent} does not exist")
    if args.json is not None and args.json.is_dir():
        parser.error(f"--json {args.json}: a folder is there, give a file")
    return args


class Parser(argparse.ArgumentParser):
    """Tells wrong usage in one line, without the list of all options."""

    def error(self, message: str) -> NoReturn:
        """Exit with 2."""
        self.exit(2, f"kovis: {message}: see `{self.prog} --help`\n")


def report(error: Exception) -> int:
    """Say one line about an error that a user can mend; any other is a fault of ours and is raised again."""
    if isinstance(error, ConfigError):
        return complain(str(error), 2)
    if isinstance(error, ModuleNotFoundError) and (package := (error.name or "").partition(".")[0]) in INSTALL:
        return complain(f"{package} is not installed: {INSTALL[package]}", 3)
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename else ""
        return complain(f"{place}{error.strerror}: check the path, its permissions and the disk", 1)
    if type(error).__module__.partition(".")[0] in OURS:
        return complain(str(error), 1)
    raise error


def complain(line: str, code: int) -> int:
    """Print one line to stderr; returns the exit code."""
    print(f"kovis: {' '.join(line.split())}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())

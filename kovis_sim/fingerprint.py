"""Hashes of what decides a result: the scene's code and meshes, and the code of a study's trials.

A result that was measured with another one is no longer the same table, and roll-outs of another scene share no bag.
Comments, docstrings and layout do not count: they may be mended without everything being run again.
"""

from __future__ import annotations

import hashlib
import io
import tokenize
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from kovis_ros import method
from kovis_ros.method.config import Task
from kovis_sim import robot
from kovis_sim.cell import pieces

DRAWING = (
    "appearance", "camera", "goal_view", "landmarks", "opengl", "photographs", "revolution", "shadows", "stage",
    "table", "world",
)  # fmt: skip
PLACING = ("cell", "gripper", "hand", "robot", "rollouts", "scene", "starts")  # where everything stands and moves
PICTURES = ("augment", "images", "sensor", "textures")  # what becomes of them
SHAPES = ("family", "meshes", "mugs")  # where the target is one of many


def scene_sha256(task: Task) -> str:
    """Of the code that draws and places, and of the meshes of target, held object and gripper."""
    total = hashlib.sha256(code_sha256(modules(task)).encode())
    for path in meshes(task):
        total.update(path.name.encode() + path.read_bytes())
    return total.hexdigest()


def code_sha256(files: Iterable[Path]) -> str:
    """Of Python files, in their order."""
    total = hashlib.sha256()
    for path in files:
        total.update(f"{path.stem}\n{code(path.read_text())}\n".encode())
    return total.hexdigest()


def modules(task: Task) -> list[Path]:
    """Files of the code that draws and places."""
    return named(DRAWING + PLACING + (SHAPES if task.target.family else ()), PICTURES)


def named(ours: Iterable[str], methods: Iterable[str]) -> list[Path]:
    """Files of modules of the simulated cell and of the method."""
    here, there = Path(__file__).parent, Path(method.__file__).parent
    return [folder / f"{name}.py" for folder, names in ((here, ours), (there, methods)) for name in names]


def meshes(task: Task) -> list[Path]:
    """Files of everything that has a shape of its own, convex pieces included."""
    files = {robot.mesh_file(link) for link in robot.LINKS}
    for item in (task.target, task.held):
        files |= {robot.ASSETS / item.mesh, *pieces(item.collision)} if item.mesh else set()
    return sorted(files, key=lambda path: (path.name, path))


@lru_cache
def code(source: str) -> str:
    """Python source without comments, docstrings, layout and spaces: the same for each version of Python."""
    lines: list[str] = []
    line: list[tokenize.TokenInfo] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type in (tokenize.INDENT, tokenize.DEDENT):
            lines.append(tokenize.tok_name[token.type])
        elif token.type not in (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.ENDMARKER):
            line.append(token)
        elif token.type == tokenize.NEWLINE:
            if any(word.type != tokenize.STRING for word in line):
                lines.append("".join(word.string for word in line).replace(" ", ""))
            line = []
    return "\n".join(lines)

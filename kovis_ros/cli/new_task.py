"""Make a task of meshes: settings with comments, collision pieces and pictures, checked before anything is recorded.

The target stands on z = 0. A held object has the middle of its leading end at the origin and rises along z; the fingers
close along its y. What the command cannot know it draws up, says so, and leaves to be edited.
Exit code 1 when the completion fails from the exact goal: the task is there to be edited, recording it is no use.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import warnings
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from kovis_ros import cli
from kovis_ros.method.config import ConfigError
from kovis_ros.method.parsing import ConfigWarning

if TYPE_CHECKING:
    from kovis_ros.method.config import Task
    from kovis_sim.completion import Outcome
    from kovis_sim.new_task import Wish
    from kovis_sim.solids import Solid

ROLLOUTS = 7000  # of the paper
PARTS = ("meshes", "preview")  # folders that the command owns


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `kovis new-task`."""
    parser.add_argument("name", help="of the task: small letters, digits and _")
    parser.add_argument("--target", type=Path, required=True, metavar="MESH", help="what waits on the table: OBJ, STL")
    parser.add_argument("--held", type=Path, metavar="MESH", help="what the gripper holds (default: nothing)")
    parser.add_argument("--scale", type=float, default=1.0, help="of the meshes: 0.001 for millimetres (default: 1)")
    parser.add_argument("--axes", nargs="+", metavar="AXIS", help="commanded: x y z rx ry rz (default: x y z rz)")
    parser.add_argument("--symmetry", nargs=3, type=int, metavar="N", help="about x y z: 1 none, n alike, 0 revolution")
    parser.add_argument(
        "--goal", nargs=6, type=float, metavar="V", help="x y z in m, roll pitch yaw in deg, in the target's frame"
    )
    parser.add_argument("--depth", type=float, default=0.008, help="that a held object goes in, m (default: 0.008)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="settings", help="any setting, repeatable"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the task (default: NAME)")
    parser.add_argument("--force", action="store_true", help="replace what an earlier run made there")


def run(args: argparse.Namespace) -> int:
    """Check, build beside the final place, move there when whole, say what to edit; 1 when the completion fails."""
    check(args)
    out = args.out or Path(args.name)
    place = out.resolve()
    scratch = place.with_name(f".{place.name}.part")
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        task, outcome = build(args, scratch)
        install(scratch, out, args.name)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    done = completed(task, outcome)
    print(f"with the arm exactly at the goal: {done}")
    print(advice(task, out))
    row = {"task": task.name, "file": str(out / f"{task.name}.yaml"), "completed": outcome.success}
    cli.save_json(args.json, {**row, "distance_m": outcome.distance_m, "force_n": outcome.force_n})
    return 0 if outcome.success else 1


def check(args: argparse.Namespace) -> None:
    """ConfigError for options that cannot be, before any work."""
    from kovis_ros.method.config import task_names

    if not re.fullmatch(r"[a-z][a-z0-9_]*", args.name):
        raise ConfigError(f"name {args.name!r} cannot be: give small letters, digits and _, beginning with a letter")
    if args.name in task_names():
        raise ConfigError(f"task {args.name!r} comes with the package: give another name")
    for option in ("scale", "depth"):
        if not 0.0 < (value := getattr(args, option)) < inf:
            raise ConfigError(f"--{option} {value} must be positive and finite: give more than 0")
    out = args.out or Path(args.name)
    if out.exists() and not out.is_dir():
        raise ConfigError(f"--out {out} is a file: give a folder")
    if not out.resolve().parent.is_dir():
        raise ConfigError(f"--out {out}: folder {out.resolve().parent} does not exist: make it")
    if (out / f"{args.name}.yaml").exists() and not args.force:
        raise ConfigError(f"{out / args.name}.yaml exists already: give --force to replace it, or another --out")


def build(args: argparse.Namespace, folder: Path) -> tuple[Task, Outcome]:
    """Meshes, settings and pictures in a new folder; the task, and what its completion does from the goal."""
    from kovis_sim import completion, new_task, preview
    from kovis_sim.scene import Scene

    wish = new_task.Wish(args.axes, args.symmetry, args.goal, args.depth, args.settings)
    new_task.check(args.name, wish)
    found = objects(args)
    new_task.write_meshes(folder / "meshes", found)
    task = settings(args.name, found, wish, folder / f"{args.name}.yaml")
    scene = Scene(task)
    preview.write(scene, folder / "preview")
    preview.stand(scene, preview.CORNER_PX)
    outcome = completion.run(scene)
    scene.close()
    return task, outcome


def objects(args: argparse.Namespace) -> dict[str, Solid]:
    """Target and held object from their files; prints what was done to them."""
    from kovis_sim import solids

    files = {"target": args.target, **({"held": args.held} if args.held else {})}
    found = {name: solids.prepare(file, f"--{name}", args.scale) for name, file in files.items()}
    for name, solid in found.items():
        print(f"{name}: {len(solid.mesh.faces)} triangles; {'; '.join(solid.notes)}")
    return found


def settings(name: str, found: dict[str, Solid], wish: Wish, file: Path) -> Task:
    """The task, written to a file and read back."""
    from kovis_ros.method.config import load_task
    from kovis_sim import new_task, task_file

    drawn = new_task.draft(name, found["target"], found.get("held"), wish)
    file.write_text(task_file.text(drawn))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConfigWarning)  # the draft told
        return load_task(file)


def install(scratch: Path, out: Path, name: str) -> None:
    """Put what was built in its place; other files there stay."""
    out.mkdir(exist_ok=True)
    for part in PARTS:
        shutil.rmtree(out / part, ignore_errors=True)
        os.replace(scratch / part, out / part)
    os.replace(scratch / f"{name}.yaml", out / f"{name}.yaml")


def completed(task: Task, outcome: Outcome) -> str:
    """What the completion motion did, and what to change when it failed."""
    found = {"lift": "lifted by", "seat": "seated at a depth of"}[task.success.kind]
    words = f"{found} {1e3 * outcome.distance_m:.1f} mm with up to {outcome.force_n:.0f} N"
    if outcome.success:
        return f"the completion works, {words}"
    if task.success.kind == "lift":
        why = "it slipped off the two pegs or was not between them: check goal, pieces, and whether pegs can hold it"
    else:
        why = f"{1e3 * outcome.lateral_m:.1f} mm aside: check pieces, goal, completion and success"
    return f"the completion FAILS, {words}, {why} before recording"


def advice(task: Task, out: Path) -> str:
    """What was written, what to look at and edit, and which commands come next, with the disk they need."""
    from kovis_ros.method import dataset, disk, packing
    from kovis_sim import rollouts

    file, name = out / f"{task.name}.yaml", task.name
    samples = ROLLOUTS * task.rollout.steps
    cached = dataset.sample_bytes(packing.stored_px(task.model))
    wanted = samples * (rollouts.sample_bytes(task) + cached) / 1e9
    free = disk.free_bytes(out) / 1e9
    hand = "held.mass_kg, held.position_range_m, " if task.held.mesh else ""
    return "\n".join(
        [
            f"written: {file}, {out / 'meshes'}, {out / 'preview'}",
            "look at preview/goal.png (do both eyes see target and tool?), starts.png and landmarks.png, then edit",
            f"  goal, target.mass_kg, {hand}target.position_range_m, axes, symmetry, completion, success",
            "then, from the same folder as this command:",
            f"  kovis record {file} --rollouts {ROLLOUTS} --out data/{name}",
            f"  kovis check-data data/{name}",
            f"  kovis train {file} --data data/{name}",
            f"  kovis evaluate {file} --checkpoint runs/{name}/best.safetensors",
            f"bag and cache of {samples} samples need {wanted:.1f} GB; {free:.1f} GB are free"
            + ("" if free > wanted else ": free some, or record fewer roll-outs"),
        ]
    )

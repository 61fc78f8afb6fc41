"""The whole report: a page of Markdown, CSV files and pictures in one folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kovis_ros.method.metrics import DEAD
from kovis_ros.report import (
    anchoring,
    category,
    curves,
    graph,
    keypoints,
    paper,
    six_axes,
    speed,
    success,
    targets,
    trajectories,
    views,
)
from kovis_ros.report.plan import Plan
from kovis_ros.report.results import STUDIES, Results, Servo, shipped
from kovis_ros.report.tables import MARK, Record, Table, comma_separated, markdown, marked, save

NOTES = {
    "keypoints": "(change of keypoint location, of confidence) in per cent, location in shares of the image's side and "
    f"weighted by confidence; dead keypoints, whose confidence never exceeds {DEAD}, are left out and counted. "
    "Behind the paper's average, over both, stands that of locations alone: confidence that is near 1 wherever a "
    "keypoint is found hardly changes, and halves the first. The camera's mount is exact; pictures are simulated, as "
    "in the paper. Servos with and without Adex are those of the grid with K = {tables}.",
    "anchoring": "(direction loss, speed loss; speed loss minus the entropy of its labels) of single pictures along "
    "roll-outs with the paper's distribution of steps, Eq. 7. No prediction has a speed loss below that entropy. "
    "Columns as in Table I.",
    "success": "Share of simulated trials in which the completion motion did its work, with Wilson's 95 % interval; "
    "backgrounds, textures and lights of a family that training lacks. The paper's numbers are of 10 runs each on the "
    "real robot: 10 of 10 has an interval of 72 to 100 %. Path-traced are the first of the same trials, on pictures of "
    "a renderer that training lacks. Servos with K = {keypoints} have the grid's short recipe: "
    "{recipe}; the shipped ones a longer one.",
    "graph": "Trials by `kovis servo` on the nodes themselves, with the simulated arm's controller behind RTDE: mount, "
    "object in the hand and looks as in the closed loop.",
    "category": "A servo trained on {mugs} mugs and one trained on a single mug, both with unseen looks: on "
    "{unseen_mugs} mugs that neither has seen, held out by their shape, and on the single one. Both servos have the "
    "same trials of a task, but results hold counts, not which trial succeeded: intervals of differences (Newcombe's, "
    "95 %) take the trials for independent, and are too wide where both had the same mugs.",
    "views": "Shipped servos, unseen looks: image, keypoints, predicted depth and segmentation; below it keypoints on "
    "other views.",
    "trajectories": "Shipped servos: error on each commanded axis against normalised time; dotted: not converged.",
    "curves": "One pooled draw of trials a task with the shipped servo: each trial pushes one condition over its whole "
    "range, the others stay where they usually are{usual}. A curve has the trials in which no other condition is "
    "pushed out; those without a free start are counted apart.",
    "six_axes": "Pick-Mug with a hand that leans, too: all six axes are commanded, and the servo sets it upright. "
    "Trials are as those of Table III; what is left on each axis is that of the trajectories.",
}


def write(results: Results, plan: Plan, out: Path) -> list[Path]:
    """Write ``report.md`` and what it shows; the files in order. Nothing is measured here."""
    out.mkdir(parents=True, exist_ok=True)
    tasks = paper.TASKS
    lines: dict[str, list[Record]] = {
        "table1": keypoints.records(results, paper.ROWS, plan.tables),
        "table2": anchoring.records(results, paper.ROWS, plan.tables),
        "table3": success.records(results, paper.ROWS, plan.keypoints),
        "curves": curves.records(results, tasks),
        "category": category.records(results),
        "six_axes": six_axes.records(results),
    }
    lines |= {"targets": targets.records(lines["table3"], tasks), "graph": graph.records(results, tasks)}
    lines |= {"figure7": views.records(results, tasks), "figure8": trajectories.records(results, tasks)}
    lines |= {"speed": speed.records(results)}
    for name, records in lines.items():
        save(out / f"{name}.csv", comma_separated(records))
    views.draw(out / "figure7.png", results, tasks)
    trajectories.draw(out / "figure8.png", results, tasks)
    drawn = ["figure7.png", "figure8.png"]
    if lines["curves"]:
        curves.draw(out / "curves.png", lines["curves"], tasks)
        drawn.append("curves.png")
    save(out / "report.md", page(results, plan, lines, tasks))
    return [out / name for name in ("report.md", *(f"{name}.csv" for name in lines), *drawn)]


def page(results: Results, plan: Plan, lines: dict[str, list[Record]], tasks: Sequence[str]) -> str:
    """The page itself."""
    parts = ["# The paper's evaluation", "Written by `kovis report` from stored results; what nobody measured says so."]
    parts.append(stale(results, plan, tasks))
    first = keypoints.tables(lines["table1"], paper.ROWS, plan.tables)
    second = anchoring.tables(lines["table2"], paper.ROWS, plan.tables)
    third = success.table(lines["table3"], paper.ROWS, plan.keypoints)
    note = NOTES["keypoints"].format(tables=plan.tables)
    parts += section("Table I: keypoints under a changed picture", note, first)
    parts += section("Table II: predicted motion with the camera moved", NOTES["anchoring"], second)
    counts = ", ".join(map(str, plan.keypoints))
    note = NOTES["success"].format(keypoints=counts, recipe=recipe(results, plan, tasks))
    parts += section("Table III: task success", note, [third, targets.table(lines["table3"], tasks)])
    parts += section("The whole graph", NOTES["graph"], [graph.table(results, tasks)])
    note = NOTES["category"].format(mugs=plan.mugs, unseen_mugs=plan.unseen_mugs)
    parts += section("A family of mugs", note, category.tables(lines["category"]))
    parts += section("Six axes", NOTES["six_axes"], six_axes.tables(results, lines["six_axes"]))
    parts += ["## Figure 7", NOTES["views"], "![Figure 7](figure7.png)"]
    parts += section("Figure 8", NOTES["trajectories"], [trajectories.times(results, tasks)])
    parts += ["![Figure 8](figure8.png)"]
    note = NOTES["curves"].format(usual=curves.usual(results, tasks))
    parts += section("Curves", note, curves.tables(lines["curves"], tasks))
    parts += ["![Curves](curves.png)"] if lines["curves"] else []
    parts += section("Speed", "", speed.tables(results))
    typed = "\n".join(f"- `{command}`" for command in commands(results, plan, tasks))
    parts += ["## Commands", typed or "None was run."]
    return "\n\n".join(part for part in parts if part) + "\n"


def section(title: str, note: str, tables: Sequence[Table]) -> list[str]:
    """A heading, what is shown, and the tables."""
    return [f"## {title}", note, *map(markdown, tables)]


def recipe(results: Results, plan: Plan, tasks: Sequence[str]) -> str:
    """What the grid's servos were trained with, from the first one that would be trained so now; else marked."""
    stored = {servo: found for servo in grid(plan, tasks) if (found := results.figures(servo, "training"))}
    if not stored:
        return "none is trained yet"
    servo = next((servo for servo in stored if not results.stale_training(servo)), next(iter(stored)))
    return marked(str(stored[servo]["recipe"]), {"stale": results.stale_training(servo)})


def commands(results: Results, plan: Plan, tasks: Sequence[str]) -> list[str]:
    """Every command that a stored result names, once."""
    known = ("training", *STUDIES)
    found = [results.command(servo, study) for servo in servos(plan, tasks) for study in known]
    return sorted(
        {command for command in [*found, *graph.commands(results, tasks), *speed.commands(results)] if command}
    )


def grid(plan: Plan, tasks: Sequence[str]) -> list[Servo]:
    """The servos of Table III."""
    return [Servo(task, count, adex) for task in tasks for count in plan.keypoints for adex in (False, True)]


def servos(plan: Plan, tasks: Sequence[str]) -> list[Servo]:
    """All that can have results."""
    return list(dict.fromkeys([*grid(plan, paper.ROWS), *map(shipped, tasks), *category.SERVOS, six_axes.SERVO]))


def stale(results: Results, plan: Plan, tasks: Sequence[str]) -> str:
    """Names what was measured with settings, tasks, looks of a scene or weights that are others now; empty for none."""
    found = {f"{servo.name} {study}": results.stale(servo, study) for servo in servos(plan, tasks) for study in STUDIES}
    found |= {f"{shipped(task).name} {graph.STUDY}": graph.stale(results, task) for task in tasks}
    found |= {name: speed.stale(results, name) for name in speed.FILES}
    names = [f"{name} ({parts})" for name, parts in found.items() if parts]
    return f"{MARK} measured with what is another one now: {'; '.join(names)}." if names else ""

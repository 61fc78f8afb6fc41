"""Train a servo on a bag of roll-outs; the best checkpoint is the one that does best in closed loop."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from kovis_ros import cli

if TYPE_CHECKING:
    from kovis_ros.bags import Recording
    from kovis_ros.bags.reading import BagInfo
    from kovis_ros.method.config import Task
    from kovis_ros.method.dataset import Cache
    from kovis_ros.method.policy import ServoPolicy

SCORE_SEED = 500_000  # of the closed loop that picks the checkpoint: neither training's nor evaluation's


class Result(NamedTuple):
    """What the closed loop says of a policy."""

    success: float
    position_m: float
    rotation_rad: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `kovis train`."""
    parser.add_argument("task", help="name of a task, or its YAML file")
    parser.add_argument("--data", type=Path, required=True, metavar="BAG", help="bag that `kovis record` made")
    parser.add_argument("--out", type=Path, help="folder of the run; an unfinished one goes on (default: runs/TASK)")
    parser.add_argument("--cache", type=Path, help="folder of the samples as arrays (default: BAG.cache)")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: auto")
    parser.add_argument("--precision", choices=("auto", "fp32", "bf16"), default="auto", help="default: auto, a probe")
    parser.add_argument("--epochs", type=int, help="passes over the data (default: the task's)")
    parser.add_argument("--learning-rate", type=float, metavar="PEAK", help="default: the task's; less for --start")
    parser.add_argument("--seed", type=int, default=0, help="of weights, order, split and augmentation (default: 0)")
    parser.add_argument(
        "--start", type=Path, metavar="CHECKPOINT", help="weights to begin with, of any task (default: random)"
    )
    cli.add_image_px(parser)
    parser.add_argument("--threads", type=int, help="threads of torch (default: one a core)")
    parser.add_argument(
        "--trials",
        type=int,
        help="closed-loop trials a score (default: the task's); 0: none, the error on the validation split decides",
    )
    parser.add_argument(
        "--adex",
        type=float,
        metavar="SHARE",
        help="share of batches made adversarial, 0.5 takes half as long again (default: 0)",
    )
    parser.add_argument(
        "--paper-sizes", action="store_true", help="networks of the paper's sizes, in fp32: the reference, far slower"
    )
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, help="torch.compile (default: the task's)")


def run(args: argparse.Namespace) -> int:
    """Build the cache unless it is there, train, and print where the best checkpoint is."""
    import torch

    from kovis_ros.method import checkpoint
    from kovis_ros.method.config import load_task
    from kovis_ros.method.networks import Network
    from kovis_ros.method.networks.paper import PaperSized, sized
    from kovis_ros.method.sizes import resized
    from kovis_ros.method.train import pick_device, train
    from kovis_ros.method.warm_start import same_servo

    cli.at_least(1, epochs=args.epochs, threads=args.threads)
    cli.at_least(0, trials=args.trials, seed=args.seed)
    if args.threads:
        torch.set_num_threads(args.threads)
    task, kind = adjusted(resized(load_task(args.task), args.image_px), args), Network
    precision = {"auto": None, "fp32": "32-true", "bf16": "bf16-mixed"}[args.precision]
    if args.paper_sizes:
        task, kind, precision = sized(task), PaperSized, precision or "32-true"
    pick_device(args.device)
    if args.start and same_servo(checkpoint.load(args.start).task, task):  # a damaged one is told before the work
        trained = dataclasses.replace(task.training, rho_start=task.model.rho)  # needs no gentle beginning
        task = dataclasses.replace(task, training=trained)
    found = recorded(task, args.data)
    if task.training.score_trials:  # in its scene: one that cannot be is told now, not after epochs
        from kovis_sim import scene_check

        scene_check.check(task)
    cache = open_cache(task, args.data, found, args.cache)
    out = args.out or Path("runs") / f"{task.name}{'-paper' * args.paper_sizes}"
    score = scorer(task, out) if task.training.score_trials else None
    best = train(task, cache, out, args.device, score, seed=args.seed, precision=precision, start=args.start, kind=kind)
    row = summary(best)
    taken = f", {row['minutes']:.0f} minutes after the bag" if "minutes" in row else ""
    print(f"best checkpoint: {best} (epoch {row['epoch']:.0f}{taken})")
    cli.save_json(args.json, {"task": task.name, "checkpoint": str(best), **row})
    return 0


def adjusted(task: Task, args: argparse.Namespace) -> Task:
    """The task with the settings given on the command line; ConfigError when one is out of range."""
    from kovis_ros.method.config import ConfigError

    given = {
        "epochs": args.epochs,
        "learning_rate": args.learning_rate,
        "score_trials": args.trials,
        "compile": args.compile,
    }
    changed = {name: value for name, value in given.items() if value is not None}
    if args.learning_rate is not None and not 0.0 < args.learning_rate <= 0.1:
        raise ConfigError(f"--learning-rate {args.learning_rate} is out of range: give more than 0 and at most 0.1")
    if args.adex is not None:
        if not 0.0 <= args.adex <= 1.0:
            raise ConfigError(f"--adex {args.adex} is out of range: give 0 to 1")
        changed["adversarial"] = dataclasses.replace(task.training.adversarial, probability=args.adex)
    return dataclasses.replace(task, training=dataclasses.replace(task.training, **changed))


def recorded(task: Task, bag: Path) -> BagInfo:
    """What a bag holds: ConfigError for one of another task, BagError where its messages hold what others ask for."""
    from kovis_ros.bags.reading import info
    from kovis_ros.method.config import ConfigError

    found = info(bag)
    if found.recording.task != task.name:
        raise ConfigError(f"bag {bag} is of task {found.recording.task!r}: give one of {task.name!r}")
    refuse_other_settings(found.recording, task, bag)
    return found


def open_cache(task: Task, bag: Path, found: BagInfo, path: Path | None) -> Cache:
    """The cache beside a bag, built when it is missing or was made from another state of the bag."""
    from tqdm import tqdm

    from kovis_ros.bags.reading import read_samples
    from kovis_ros.method.dataset import Cache, build_cache
    from kovis_ros.method.packing import stored_px

    about: dict[str, Any] = {
        "task": found.recording.task,
        "seed": found.recording.seed,
        "samples": found.samples,
        "bytes": found.size_bytes,
        "side": stored_px(task.model),
    }
    folder = path or cache_of(bag)
    if (folder / "cache.json").exists():
        cache = Cache.open(folder)
        if cache.about == about:
            return cache
    samples = tqdm(read_samples(bag), total=found.samples, unit="sample", desc="cache", mininterval=1.0, delay=1e-3)
    return build_cache(samples, folder, task.camera.field_of_view_deg, about, found.samples, about["side"])


def refuse_other_settings(recording: Recording, task: Task, bag: Path) -> None:
    """BagError when a bag was recorded with settings that make other messages; network, recipe and trial may differ."""
    import yaml

    from kovis_ros.bags import BagError
    from kovis_ros.bags.identity import differing
    from kovis_ros.method.config import to_dict

    if other := differing(recording.task_yaml, yaml.safe_dump(to_dict(task))):
        raise BagError(
            f"bag {bag} was recorded with other settings ({', '.join(other[:3])}): "
            "train with those, or record another one with these"
        )


def cache_of(bag: Path) -> Path:
    """Where the cache of a bag lies unless another place is given."""
    return bag.with_name(bag.name + ".cache")


def scorer(task: Task, out: Path) -> Any:
    """Closed-loop score of a policy: trials in simulation on seeds of their own, looks of the training split."""
    from functools import partial

    from kovis_ros.method import checkpoint
    from kovis_ros.method.policy import ServoPolicy as Policy
    from kovis_sim.evaluate import evaluate, summarise

    def score(policy: ServoPolicy) -> Result:
        candidate = out / "candidate.safetensors"
        checkpoint.save(candidate, task, policy.trained)
        trials = evaluate(task, partial(Policy.load, candidate), task.training.score_trials, SCORE_SEED, "train")
        candidate.unlink()
        found: Any = summarise(task, trials)
        return Result(found["success_rate"], found["position_error_m"]["median"], found["rotation_error_rad"]["median"])

    return score


def summary(best: Path) -> dict[str, Any]:
    """Figures of the epoch that a checkpoint comes from."""
    from kovis_ros.method import checkpoint

    return {name: float(value) for name, value in checkpoint.load(best).about.items()}

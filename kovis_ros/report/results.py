"""Where measured numbers lie: one JSON file a servo and study, whole or not there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

SHIPPED = "shipped"
STUDIES = ("keypoints", "anchoring", "success", "path", "views", "trajectories", "curves")
WEIGHTS = Path(__file__).resolve().parents[1] / "weights"  # the shipped ones


class ResultError(ValueError):
    """A stored result cannot be used; the message names the file and the remedy."""


class Servo(NamedTuple):
    """One trained servo in the tables."""

    task: str
    keypoints: int  # K; 0: whatever was shipped
    adex: bool
    trained_on: str = ""  # another task, whose shipped servo is measured on ``task``

    @property
    def name(self) -> str:
        """Folder of its results."""
        if self.trained_on:
            return f"{self.trained_on}-{SHIPPED}-on-{self.task}"
        if not self.keypoints:
            return f"{self.task}-{SHIPPED}"
        return f"{self.task}-k{self.keypoints}{'-adex' if self.adex else ''}"


def shipped(task: str, trained_on: str = "") -> Servo:
    """The servo of the long recipe, whose weights come with the package; of another task where one is named."""
    return Servo(task, 0, False, "" if trained_on == task else trained_on)


Identities = Callable[[Servo, str], Mapping[str, Any]]  # by servo and study, without the weights


class Results:
    """Read access to a folder of results.

    ``weights``: folder of the shipped servos' weights. ``present``: what results would depend on if they were measured
    now, by servo and study; of nothing by default, so that weights alone are compared.
    """

    def __init__(self, folder: Path, weights: Path = WEIGHTS, present: Identities = lambda servo, study: {}) -> None:
        self.folder, self.weights, self.present = folder, weights, present

    def path(self, servo: Servo, study: str) -> Path:
        """File of one result."""
        return self.folder / servo.name / f"{study}.json"

    def read(self, servo: Servo, study: str) -> dict[str, Any] | None:
        """The whole file, None when it was not run; ResultError when it is damaged or something else."""
        path = self.path(servo, study)
        data = read(path)
        if data is not None and not {"command", "figures"} <= data.keys():
            raise ResultError(f"result {path} is none of `kovis measure` or `kovis grid`: delete it and measure again")
        return data

    def figures(self, servo: Servo, study: str) -> dict[str, Any] | None:
        """What came out, None when it was not run."""
        data = self.read(servo, study)
        return None if data is None else data["figures"]

    def about(self, servo: Servo, study: str) -> dict[str, Any]:
        """What a servo says of itself in a result: K, share of Adex, axes; empty where nobody told."""
        return (self.read(servo, study) or {}).get("servo", {})

    def command(self, servo: Servo, study: str) -> str | None:
        """What was typed to measure it."""
        data = self.read(servo, study)
        return None if data is None else str(data["command"])

    def stale(self, servo: Servo, study: str) -> str:
        """What a study was measured with that is another one now, such as "task, scene"; empty for nothing.

        The weights of now are the shipped file for a shipped servo, and for another one what its training left, which
        may itself be of another recipe, task or scene.
        """
        data = self.read(servo, study)
        if data is None:
            return ""
        weights = {"weights_sha256": self._sha256(servo)}
        parts = differing(uncounted(data.get("identity")), uncounted({**self.present(servo, study), **weights}))
        parts += [f"training's {part}" for part in self.stale_training(servo)]
        return named(parts)

    def stale_training(self, servo: Servo) -> list[str]:
        """What the training of a servo of the grid was of that is another one now; of a shipped one nobody asks."""
        training = self.read(servo, "training") if servo.keypoints else None
        return differing(training.get("identity"), self.present(servo, "training")) if training else []

    def stale_run(self, servo: Servo, name: str, data: Mapping[str, Any], weights: bool) -> str:
        """As ``stale``, of a run that is no study, whose ``data`` names what it is of; do its weights count?"""
        own = {"weights_sha256": self._sha256(servo)} if weights else {}
        return named(differing(data, {**own, **self.present(servo, name)}))

    def _sha256(self, servo: Servo) -> str:
        """Of a servo's weights; empty when there are none."""
        if servo.keypoints:
            return str((self.read(servo, "training") or {}).get("weights_sha256", ""))
        path = self.weights / f"{servo.trained_on or servo.task}.safetensors"
        return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def differing(identity: Mapping[str, Any] | None, now: Mapping[str, Any], whole: bool = False) -> list[str]:
    """Names of what a stored result depends on, its ``identity``, and what has another value now.

    ``whole``: what the result names and ``now`` does not counts, too.
    """
    known = identity or {}
    return [name for name in ({**now, **known} if whole else now) if known.get(name) != now.get(name)]


def named(parts: Iterable[str]) -> str:
    """Parts of an identity in words."""
    return ", ".join(part.removesuffix("_sha256") for part in parts)


def uncounted(identity: Mapping[str, Any] | None) -> dict[str, Any]:
    """An identity without the number of trials: it is shown with every figure, and fewer of the same are no others."""
    known = dict(identity or {})
    if "settings" in known:
        known["settings"] = {name: value for name, value in known["settings"].items() if name != "trials"}
    return known


def read(path: Path) -> dict[str, Any] | None:
    """One JSON object; None when there is no file, ResultError when it holds something else or is out of reach."""
    try:
        data = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except NotADirectoryError as error:
        raise ResultError(f"result {path} lies in no folder, a file is in its way: check the path") from error
    except PermissionError as error:
        raise ResultError(f"result {path} may not be read: check the path and its permissions") from error
    except (OSError, ValueError) as error:
        raise ResultError(f"result {path} is damaged ({error}): delete it and measure again") from error
    if not isinstance(data, dict):
        raise ResultError(f"result {path} is no JSON object: delete it and measure again")
    return data

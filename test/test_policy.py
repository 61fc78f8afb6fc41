"""The policy on the robot: pixels in and out, round trips, and every way a checkpoint can be wrong."""

import json
from pathlib import Path

import numpy as np
import pytest
import small
import synthetic
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from kovis_ros.method import checkpoint
from kovis_ros.method.config import Task, from_dict, load_task, task_names, to_dict
from kovis_ros.method.images import ImageError, StereoKeypoints
from kovis_ros.method.networks import Network
from kovis_ros.method.policy import CheckpointError, PolicyError, ServoPolicy

SAMPLE = synthetic.sample(np.random.default_rng(0))


@pytest.fixture(scope="module")
def network() -> Network:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    found = Network(small.task())
    with torch.no_grad():  # statistics that are not the initial ones, so that folding is tested
        for _ in range(3):
            found(torch.randn(4, 2, 64, 64))
    return found.eval()


@pytest.fixture(scope="module")
def path(network: Network, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("weights") / "small.safetensors"
    checkpoint.save(target, small.task(), network, {"epoch": "3"})
    return target


@pytest.fixture(scope="module")
def policy(path: Path) -> ServoPolicy:
    return ServoPolicy.load(path)


def test_checkpoint_round_trip(network: Network, path: Path) -> None:
    found = checkpoint.load(path)
    assert found.task == small.task() and found.about == {"epoch": "3"}
    for name, value in network.state_dict().items():
        assert torch.equal(value, found.network.state_dict()[name])


def test_folding_changes_nothing(network: Network, policy: ServoPolicy) -> None:
    images = torch.randn(1, 2, 64, 64)
    with torch.inference_mode():
        assert torch.allclose(network.find(images), policy.network.find(images), atol=1e-5)


def test_keypoints_are_pixels_of_the_camera_image(policy: ServoPolicy) -> None:
    found = policy.keypoints(SAMPLE.left, SAMPLE.right, synthetic.K)
    assert found.left.shape == found.right.shape == (4, 3) and found.left.dtype == np.float32
    assert found.image_size == (128, 128) and found.crop.side == pytest.approx(128.0)
    assert (found.left[:, :2] > -0.5).all() and (found.left[:, :2] < 127.5).all()
    assert (found.left[:, 2] >= 0.0).all() and (found.left[:, 2] <= 1.0).all()


def test_size_of_the_image_does_not_matter(policy: ServoPolicy) -> None:
    small_one = policy.keypoints(SAMPLE.left, SAMPLE.right, synthetic.K)
    K = np.diag([2.0, 2.0, 1.0]) @ synthetic.K
    K[:2, 2] += 0.5  # pixel centres
    large = policy.keypoints(SAMPLE.left.repeat(2, 0).repeat(2, 1), SAMPLE.right.repeat(2, 0).repeat(2, 1), K)
    assert np.allclose(2.0 * small_one.left[:, :2] + 0.5, large.left[:, :2], atol=1e-2)
    assert np.allclose(policy.motion(small_one).direction, policy.motion(large).direction, atol=1e-3)


def test_motion_follows_from_the_numbers_of_the_message(policy: ServoPolicy) -> None:
    found = policy.keypoints(SAMPLE.left, SAMPLE.right, synthetic.K)
    copied = StereoKeypoints(*(np.array(eye.tolist(), np.float32) for eye in found[:2]), found.image_size, found.crop)
    first, second = policy.motion(found), policy.motion(copied)
    assert np.allclose(first.direction, second.direction, atol=1e-5) and first.speed == pytest.approx(second.speed)
    assert np.linalg.norm(first.direction) == pytest.approx(1.0, abs=1e-3)
    assert 0.0 <= first.speed <= 1.0 and 0.0 <= first.confidence <= 1.0


def test_confidence_falls_where_the_eyes_see_another_row(policy: ServoPolicy) -> None:
    """A landmark is in one row of a rectified pair: a pixel of 128 apart leaves 1 / e of a keypoint's confidence.

    What one of four is apart counts, what two are as well, and what all four are beyond 3 pixels alone.
    """
    found = policy.keypoints(SAMPLE.left, SAMPLE.right, synthetic.K)
    left, right = found.left.copy(), found.right.copy()
    left[:, 2] = right[:, 2] = float(policy.network.usual_confidence)
    right[:, 1] = left[:, 1]

    def confidence(apart_px: float, count: int) -> float:
        moved = right.copy()
        moved[:count, 1] += apart_px * found.crop.side / 128
        return policy.motion(found._replace(left=left, right=moved)).confidence

    assert confidence(0.0, 4) == pytest.approx(1.0, abs=1e-4)
    assert confidence(5.0, 1) == confidence(-5.0, 1) == pytest.approx(0.75, abs=1e-3)  # one of four is lost
    assert confidence(5.0, 2) == pytest.approx(0.5, abs=1e-3)  # not all four, though their median is in between
    assert confidence(2.5, 4) == pytest.approx(1.0, abs=1e-3)
    assert confidence(-4.0, 4) == pytest.approx(np.exp(-1.0), abs=1e-3)
    assert confidence(5.0, 4) < policy.task.servo.confidence_halt


def test_motion_is_that_of_the_network_in_training(network: Network, policy: ServoPolicy) -> None:
    from kovis_ros.method.augment import Raw, plain

    pair = torch.from_numpy(np.stack([SAMPLE.left, SAMPLE.right]))[None]
    with torch.inference_mode():
        expected = network(plain(Raw(pair, pair, pair, pair, pair), 64)).prediction
    motion = policy.motion(policy.keypoints(SAMPLE.left, SAMPLE.right, synthetic.K))
    assert np.allclose(motion.direction, expected.direction[0].numpy(), atol=1e-3)
    assert motion.speed == pytest.approx(float(expected.speed[0]), abs=1e-4)


def test_bad_images(policy: ServoPolicy) -> None:
    with pytest.raises(ImageError, match="left image is black"):
        policy.keypoints(np.zeros((128, 128), np.uint8), SAMPLE.right, synthetic.K)
    with pytest.raises(ImageError, match="right image is float64"):
        policy.keypoints(SAMPLE.left, SAMPLE.right.astype(float), synthetic.K)
    with pytest.raises(ImageError, match="give a pair of one camera mode"):
        policy.keypoints(SAMPLE.left, SAMPLE.right[:100], synthetic.K)
    with pytest.raises(ImageError, match="field of view"):
        policy.keypoints(SAMPLE.left, SAMPLE.right, np.diag([3.0, 3.0, 1.0]) @ synthetic.K)


def test_nan_and_wrong_count_of_keypoints_are_refused(policy: ServoPolicy) -> None:
    found = policy.keypoints(SAMPLE.left, SAMPLE.right, synthetic.K)
    with pytest.raises(PolicyError, match="1 numbers that are not finite"):
        spoilt = found.left.copy()
        spoilt[0, 0] = np.nan
        policy.motion(found._replace(left=spoilt))
    with pytest.raises(PolicyError, match=r"\(2, 4, 3\) finite ones of task 'pick_mug' are needed"):
        policy.motion(found._replace(left=found.left[:3], right=found.right[:3]))


def rewritten(path: Path, target: Path, metadata: dict[str, str] | None = None, shift: float = 0.0) -> Path:
    """A copy with other metadata or with shifted weights."""
    with safe_open(path, "pt") as file:
        about, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}
    tensors["servo.head.bias"] = tensors["servo.head.bias"] + shift
    del about["sha256"], about["task_sha256"]  # what comes after these must find it alone
    save_file(tensors, target, {**about, **(metadata or {})})
    return target


def test_bad_checkpoints(path: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="'pour_tea' is unknown: shipped are .*give the path"):
        ServoPolicy.load("pour_tea")
    with pytest.raises(CheckpointError, match="does not exist: check the path"):
        ServoPolicy.load(tmp_path / "none.safetensors")
    short = tmp_path / "short.safetensors"
    short.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match="is damaged .*again"):
        ServoPolicy.load(short)
    foreign = tmp_path / "foreign.safetensors"
    save_file({"weight": torch.zeros(2)}, foreign)
    with pytest.raises(CheckpointError, match="is foreign"):
        ServoPolicy.load(foreign)
    with pytest.raises(CheckpointError, match="off its golden output by 0.4"):
        ServoPolicy.load(rewritten(path, tmp_path / "shifted.safetensors", shift=0.1))
    task = json.dumps({"name": "x", "target": {}, "colour": 1})
    with pytest.raises(CheckpointError, match="key 'colour' is unknown"):
        ServoPolicy.load(rewritten(path, tmp_path / "other.safetensors", {"task": task}))
    with pytest.raises(CheckpointError, match="of task 'pick_mug', not 'insert_shaft'"):
        ServoPolicy.load(path).expect(load_task("insert_shaft"))


def test_weights_of_another_task_must_fit_it(path: Path) -> None:
    """The family's mugs are seen and approached as the single one is; networks may have other sizes."""
    policy = ServoPolicy.load(path)
    policy.expect_like(load_task("pick_mugs"))
    with pytest.raises(
        CheckpointError,
        match=r"differs from 'insert_shaft' .axes \(.*\) -> \(.*\), tcp_offset_m 0.16 -> 0.195, camera.eye_m",
    ):
        policy.expect_like(load_task("insert_shaft"))
    with pytest.raises(CheckpointError, match="differs from 'pick_mug_6d' .axes .*'rz'.* -> .*'rx'.*: give"):
        policy.expect_like(load_task("pick_mug_6d"))


def changed(**sections: dict[str, object] | tuple[str, ...]) -> Task:
    """The small task with some settings changed."""
    plain = to_dict(small.task())
    return from_dict({**plain, **{n: {**plain[n], **v} if isinstance(v, dict) else v for n, v in sections.items()}})


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        ({"axes": ("x", "y")}, r"axes \('x', 'y', 'z', 'rz'\) -> \('x', 'y'\)"),
        ({"servo": {"label_slope": 100.0}}, "servo.label_slope 200.0 -> 100.0"),
        ({"tcp_offset_m": 0.2}, "tcp_offset_m 0.16 -> 0.2"),
        ({"camera": {"eye_m": [0.0, -0.1, 0.0]}}, "camera.eye_m"),
        ({"camera": {"baseline_range_m": [0.05, 0.12]}}, "camera.baseline_range_m"),
        ({"goal": {"position_m": [0.0, 0.0, 0.1]}}, "goal.position_m"),
        ({"symmetry": [1, 1, 2]}, "symmetry"),
    ],
)
def test_weights_of_other_settings_under_the_same_name_are_refused(
    path: Path, sections: dict[str, object], told: str
) -> None:
    with pytest.raises(CheckpointError, match=rf"trained for other settings of 'pick_mug' \({told}.*\): give one"):
        ServoPolicy.load(path).expect(changed(**sections))


def test_weights_stay_of_use_when_what_makes_no_other_motion_changes(path: Path) -> None:
    loop = {"converged_speed": 0.1, "top_speed_mps": 0.01}
    camera = {"size_px": 256, "position_error_m": 0.02, "field_of_view_deg": [50.0, 70.0]}
    ServoPolicy.load(path).expect(changed(servo=loop, camera=camera, success={"hold_s": 2.0}, model={"keypoints": 10}))


@pytest.mark.parametrize("name", [name for name in task_names() if checkpoint.shipped(name)])
def test_shipped_weights_are_of_the_shipped_settings(name: str) -> None:
    ServoPolicy.load(name).expect(load_task(name))


def test_damage_too_small_for_the_golden_output_is_found(path: Path, tmp_path: Path) -> None:
    with safe_open(path, "pt") as file:
        about, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}
    name = next(name for name in sorted(tensors) if name.endswith("weight"))
    tensors[name].view(-1)[0] += 1e-6
    save_file(tensors, tmp_path / "touched.safetensors", about)
    with pytest.raises(CheckpointError, match="is damaged .its weights have changed.: fetch or train it again"):
        ServoPolicy.load(tmp_path / "touched.safetensors")


def test_a_changed_task_is_found(path: Path, tmp_path: Path) -> None:
    """Shipped files that are older have no hash of it, and load (see the test of shipped weights)."""
    with safe_open(path, "pt") as file:
        about, tensors = file.metadata(), {name: file.get_tensor(name) for name in file.keys()}
    task = about["task"].replace('"label_slope": 200.0', '"label_slope": 900.0')
    assert task != about["task"]
    save_file(tensors, tmp_path / "edited.safetensors", {**about, "task": task})
    with pytest.raises(CheckpointError, match="edited.safetensors is damaged .its task has changed.: fetch or train"):
        ServoPolicy.load(tmp_path / "edited.safetensors")


def test_a_flipped_byte_is_found(path: Path, tmp_path: Path) -> None:
    data = bytearray(path.read_bytes())
    place = len(data) // 2 // 4 * 4 + 3
    data[place] ^= 0x40  # the exponent of some weight
    broken = tmp_path / "flipped.safetensors"
    broken.write_bytes(data)
    with pytest.raises(CheckpointError, match="golden|damaged"):
        ServoPolicy.load(broken)

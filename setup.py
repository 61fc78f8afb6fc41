"""Packaging of kovis_ros for colcon (ament_python) and pip."""

from glob import glob
from pathlib import Path

from setuptools import find_packages, setup

PACKAGE = "kovis_ros"
SHARE = f"share/{PACKAGE}"
TORCH = ["torch", "safetensors"]  # policy and networks
SIMULATOR = ["pybullet==3.2.7", "opencv-python-headless<5", "scipy", "trimesh", "manifold3d", "pillow"]
SIMULATOR += ["scikit-image==0.25.2", "tqdm"]
BAGS = ["rosbags==0.11.9", "ruamel.yaml.clib"]  # the second only makes YAML ten times faster


def below(folder: str) -> list[tuple[str, list[str]]]:
    """Data files of a folder, kept in their sub-folders below share/."""
    files = sorted(p for p in Path(folder).rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    return [(f"{SHARE}/{p.parent.as_posix()}", [p.as_posix()]) for p in files]


setup(
    name=PACKAGE,
    version="0.1.0",
    description="Keypoint-based visual servoing with a stereo camera on the wrist of a UR5, trained in simulation.",
    author="KOVIS developers",
    author_email="maintainers@kovis-ros.org",
    maintainer="KOVIS developers",
    maintainer_email="maintainers@kovis-ros.org",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(include=[PACKAGE, f"{PACKAGE}.*", "kovis_sim", "kovis_sim.*"]),
    package_data={PACKAGE: ["py.typed", "weights/**/*"], "kovis_sim": ["assets/**/*"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (SHARE, ["package.xml"]),
        (f"{SHARE}/launch", sorted(glob("launch/*.launch.py"))),
        *below("config"),
        *((f"{SHARE}/kovis_msgs/{kind}", sorted(glob(f"kovis_msgs/{kind}/*"))) for kind in ("msg", "srv", "action")),
    ],
    zip_safe=False,
    install_requires=["setuptools", "numpy<2.3", "pyyaml"],
    extras_require={
        "torch": TORCH,
        "sim": SIMULATOR,
        "bags": BAGS,
        "train": ["lightning", "matplotlib", "pillow", "tqdm", *BAGS, *TORCH],
        "path": ["mitsuba==3.9.1"],
        "ur": ["ur-rtde==1.6.5"],
        "realsense": ["pyrealsense2==2.59.1.11053"],
        "test": ["pytest"],
    },
    entry_points={
        "console_scripts": [
            "kovis = kovis_ros.cli.main:main",
            "stereo_camera = kovis_ros.nodes.stereo_camera:main",
            "keypoint = kovis_ros.nodes.start_keypoint:main",
            "servo = kovis_ros.nodes.start_servo:main",
            "ur5 = kovis_ros.nodes.ur5:main",
            "sim = kovis_sim.start_sim:main",
        ],
    },
)

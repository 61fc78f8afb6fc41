"""A family of mugs: 75 shapes spread over the ranges of what a mug may be, 15 of them held out by their shape.

Held out are slender mugs with a wide handle and squat ones with a narrow handle: either alone is known from training,
both together are not. Lengths in metres.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np

from kovis_ros.method.parsing import Triple
from kovis_sim.appearance import Split
from kovis_sim.meshes import Mug

COUNT = 75
SPREAD_SEED = 2  # of the order in which each parameter's values are dealt out
NOMINAL = Mug()
RANGES = {  # each parameter takes COUNT evenly spaced values
    "radius": (0.034, 0.044),
    "slenderness": (2.0, 2.8),  # height over radius
    "taper": (0.84, 1.00),
    "wall": (0.0040, 0.0058),  # the handle's ends lie in the wall: a wide handle needs a thick one
    "hole_width": (0.030, 0.042),  # below 28 mm the 22 mm wide fingertips would touch the body
    "hole_share": (0.42, 0.50),  # height of the hole over that of the mug
    "hole_middle": (0.49, 0.53),  # height of the hole's middle over that of the mug
    "bar": (0.0100, 0.0125),
    "flatness": (1.3, 1.68),  # depth over bar: above 12 mm of depth the pegs do not meet; a flatter bar rolls over
    "corner": (0.008, 0.018),
}
SQUAT, SLENDER = 2.25, 2.55  # height over radius
NARROW, WIDE = 0.0338, 0.0382  # from the body to the handle's inner side


@lru_cache(maxsize=1)
def family() -> tuple[Mug, ...]:
    """Every member, always the same: a Latin hypercube over ``RANGES``."""
    rng = np.random.default_rng(SPREAD_SEED)
    dealt = {name: np.linspace(*limits, COUNT)[rng.permutation(COUNT)] for name, limits in RANGES.items()}
    return tuple(shape({name: float(values[i]) for name, values in dealt.items()}) for i in range(COUNT))


def shape(given: Mapping[str, float]) -> Mug:
    """A mug of one value for each of ``RANGES``."""
    height = given["slenderness"] * given["radius"]
    middle, half = given["hole_middle"] * height, 0.5 * given["hole_share"] * height
    depth = given["flatness"] * given["bar"]
    own = {name: given[name] for name in ("radius", "taper", "wall", "hole_width", "bar", "corner")}
    return Mug(height=height, hole_bottom=middle - half, hole_top=middle + half, depth=depth, **own)


def held_out(mug: Mug) -> bool:
    """Is this a shape that training must not see?"""
    slenderness = mug.height / mug.radius
    stretched = slenderness > SLENDER and mug.hole_width > WIDE
    return stretched or (slenderness < SQUAT and mug.hole_width < NARROW)


def members(split: Split) -> tuple[Mug, ...]:
    """The members for roll-outs (``train``), or those held out for evaluation (``test``)."""
    return tuple(mug for mug in family() if held_out(mug) == (split == "test"))


def goal_shift(mug: Mug) -> Triple:
    """From the nominal goal to this mug's, target frame: at the hole's middle, as far below the upper bar."""
    middle, nominal = (each.radius + each.hole_width / 2.0 for each in (mug, NOMINAL))
    return middle - nominal, 0.0, mug.hole_top - NOMINAL.hole_top

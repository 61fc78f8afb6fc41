"""Photographs as backgrounds: where they come from, and that training and evaluation share none."""

import cv2
import numpy as np
import pytest

from kovis_sim import appearance, photographs


@pytest.mark.parametrize("name", [*photographs.TRAIN, *photographs.TEST])
def test_every_photograph_comes_with_the_package(name: str) -> None:
    pattern = photographs.piece(np.random.default_rng(0), (name,), 256)
    assert pattern.shape == (256, 256) and pattern.dtype == np.float32
    assert np.ptp(pattern) > 60.0  # a picture, not a flat patch


def test_families_share_no_photograph() -> None:
    assert not set(photographs.TRAIN) & set(photographs.TEST)


def test_a_piece_is_cut_out_of_the_photograph() -> None:
    """Somewhere in the photograph, at some scale and turn, there is what was drawn."""
    whole = photographs._grey("astronaut.png")
    drawn = photographs.piece(np.random.default_rng(3), ("astronaut.png",), 64)
    best = 0.0
    for width in range(photographs.SMALLEST, 512, 8):
        scaled = cv2.resize(whole, None, fx=64 / width, fy=64 / width, interpolation=cv2.INTER_AREA)
        for turned in [np.rot90(image, k) for k in range(4) for image in (scaled, scaled[:, ::-1])]:
            match = cv2.matchTemplate(np.ascontiguousarray(turned), np.uint8(drawn), cv2.TM_CCOEFF_NORMED)
            best = max(best, float(match.max()))
    assert best > 0.9


def test_both_families_of_patterns_hold_photographs() -> None:
    assert appearance.known_photograph in appearance.TRAIN and appearance.other_photograph in appearance.TEST


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    photographs._grey.cache_clear()
    monkeypatch.setattr(photographs, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="scikit-image"):
        photographs.piece(np.random.default_rng(0), photographs.TRAIN, 64)

"""A made-up comparison, complete in every part, for tests of the report and the table."""

import numpy as np

from gibbsite.compare.card import Card
from gibbsite.compare.report import Content
from gibbsite.compare.scene import Scene
from gibbsite.compare.store import Cell
from gibbsite.core import Estimate, Evidence

MASSES = np.arange(1, 9) / 36
ANGLES = np.arange(8) * np.pi / 4
CENTRES = 2.8 * np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)
WINDOW = (-4.5, 4.5, -4.5, 4.5)


def ring(n: int, seed: int, masses: np.ndarray = MASSES, width: float = 0.35) -> np.ndarray:
    rng = np.random.default_rng(seed)
    which = rng.choice(8, size=n, p=masses / masses.sum())
    return (CENTRES[which] + width * rng.normal(size=(n, 2))).astype(np.float32)


def landscape(masses: np.ndarray = MASSES, width: float = 0.35) -> np.ndarray:
    axis = np.linspace(-4.5, 4.5, 90)
    points = np.stack(np.meshgrid(axis, axis), axis=-1)
    squares = ((points[:, :, None] - CENTRES) ** 2).sum(-1)
    density = (masses / masses.sum() * np.exp(-squares / (2 * width**2))).sum(-1) / (2 * np.pi * width**2)
    return -np.log(density + 1e-30)


def metrics(shift: float, evidence: Evidence, masses: np.ndarray) -> dict:
    held = {
        "nll": Estimate(2.83 + shift, 0.012, evidence=evidence),
        "bits_per_dim": Estimate((2.83 + shift) / 2 / np.log(2), 0.009, evidence=evidence),
        "kl": Estimate(0.01 + shift, 0.006, evidence=evidence),
        "mode_masses": Estimate(masses, 0.01 + 0 * masses),
        "mode_tv": Estimate(0.5 * np.abs(masses - MASSES).sum(), 0.012),
        "mode_tv_floor": Estimate(0.014, 0.004),
        "mmd": Estimate(0.0006 + shift / 50, 0.0002),
        "mmd_floor": Estimate(0.0004, 0.0002),
        "energy_distance": Estimate(0.003 + shift / 5, 0.001),
        "energy_distance_floor": Estimate(0.002, 0.001),
        "log_z": Estimate(1.234, 1e-7, evidence=Evidence.EXACT),
        "log_z_quadrature": Estimate(1.234, 1e-7, evidence=Evidence.EXACT),
        "log_z_ais": Estimate(1.231, 0.008, ess=1400.0, evidence=Evidence.LOWER),
    }
    return {name: estimate.record() for name, estimate in held.items()}


def record(dataset: str, model: str, held: dict, **changes) -> dict:
    base = {"dataset": dataset, "model": model, "seed": 0, "parameters": 3987, "evaluations": 6_000_000, "seconds": 21.3}
    return (
        base
        | {"status": "ok", "reason": "", "training": "The budget was spent.", "fingerprint": "0", "versions": "", "metrics": held}
        | changes
    )


def content() -> Content:
    """Two data sets; one failed cell, one metric that is not established, NaN and None among the arrays."""
    equal = np.full(8, 1 / 8)
    plan = {"ebm-pcd": (0.05, equal * 0.5 + MASSES * 0.5), "ebm-dsm": (0.16, equal), "rbm": (0.08, MASSES), "flow": (0.0, MASSES)}
    records, arrays = [], {}
    for place, (model, (shift, masses)) in enumerate(plan.items()):
        records.append(record("gaussians8", model, metrics(shift, Evidence.EXACT, masses)))
        rng = np.random.default_rng(place)
        arrays[Cell("gaussians8", model, 0)] = {
            "draws": ring(1000, place, masses, 0.35 + shift),
            "landscape": landscape(masses, 0.35 + shift),
            "energy_data": 2.83 + shift + rng.gamma(1.0, 1.0, 2000) - 1,
            "energy_draws": 2.83 + rng.gamma(1.0, 1.0, 2000) - 1,
            "history_evaluations": np.linspace(0, 6e6, 40),
            "history_score": 3 + np.exp(-np.linspace(0, 5, 40)) + 0.02 * rng.normal(size=40),
        }
    nothing = Estimate(None, None, evidence=Evidence.NOT_ESTABLISHED).record()
    bits = {
        "nll": Estimate(20.4, 0.3, evidence=Evidence.LOWER).record(),
        "log_z": Estimate(1.2, 0.01, evidence=Evidence.LOWER).record(),
        "mmd": Estimate(float("nan"), float("nan")).record(),
        "kl": nothing,
    }
    rng = np.random.default_rng(9)
    pictures = (rng.random((64, 64)) < 0.3).astype(np.float32)
    records.append(record("digits-binary", "ebm-pcd", {}, status="failed", reason="training diverged at step 812: smaller learning rate."))
    records.append(record("digits-binary", "rbm", bits))
    broken = np.full(500, np.nan)
    arrays[Cell("digits-binary", "rbm", 0)] = {"draws": pictures, "energy_data": broken, "energy_draws": broken}
    scenes = {
        "gaussians8": Scene(
            "gaussians8", "Eight Gaussians on a ring, masses 1:2:...:8.", ("x", "y"), ring(1000, 77), WINDOW, landscape(), tuple(MASSES)
        ),
        "digits-binary": Scene("digits-binary", "Handwritten digits, 8 x 8 bits.", (), pictures, image_shape=(8, 8)),
    }
    about = {model: f"{model} <in> one line & how exact it is." for model in plan}
    return Content(Card(), tuple(records), arrays, scenes, about)

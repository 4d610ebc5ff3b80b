"""A made-up comparison, complete in every part, for tests of the report and the table."""

import numpy as np

from gibbsite.compare.card import Card
from gibbsite.compare.report import Content
from gibbsite.compare.scene import Scene
from gibbsite.compare.store import Cell
from gibbsite.core import Estimate, Evidence, Status

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
        "sliced_wasserstein": Estimate(0.004 + shift / 3, 0.001),
        "sliced_wasserstein_floor": Estimate(0.003, 0.001),
        "c2st": Estimate(0.5 + shift, 0.011),
        "c2st_floor": Estimate(0.498, 0.011),
        "precision": Estimate(0.95 - shift, 0.005),
        "recall": Estimate(0.96 - shift, 0.005),
        "coverage": Estimate(0.97 - shift, 0.004),
        "coverage_floor": Estimate(0.972, 0.004),
        "memorisation": Estimate(0.503, 0.011),
        "curl": Estimate(0.0, 1e-7, evidence=Evidence.EXACT),
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


PLAN = {  # how far each model is off, its evidence, its mode masses
    "ebm-pcd": (0.05, Evidence.EXACT, np.full(8, 1 / 16) + MASSES * 0.5),
    "ebm-dsm": (0.16, Evidence.EXACT, np.full(8, 1 / 8)),
    "ebm-nce": (0.07, Evidence.INTERVAL, MASSES),
    "rbm": (0.08, Evidence.LOWER, MASSES),
    "flow": (0.0, Evidence.EXACT, MASSES),
    "vae": (0.12, Evidence.UPPER, MASSES),
    "gan": (0.0, Evidence.IMPLICIT, np.array([0, 0, 3, 4, 5, 6, 7, 11]) / 36),
    "diffusion": (0.02, Evidence.UNBIASED, MASSES),
    "autoregressive": (0.03, Evidence.EXACT, MASSES),
}
TRIALS = [
    {"learning_rate": 0.0015, "evaluations": 250_000, "score": 3.2, "status": "budget_spent"},
    {"learning_rate": 0.003, "evaluations": 250_000, "score": None, "status": "non_finite"},
]


def content() -> Content:
    """Three data sets; one failed cell, a model without density, metrics that are not established, NaN and None among the arrays."""
    records, arrays = [], {}
    for place, (model, (shift, evidence, masses)) in enumerate(PLAN.items()):
        held, drawn = fitted(place, model, shift, evidence, masses)
        records.append(held)
        arrays[Cell("gaussians8", model, 0)] = drawn
    for place, model in enumerate(("ebm-pcd", "vae", "flow")):
        held, drawn = digits(place, model)
        records.append(held)
        arrays[Cell("digits", model, 0)] = drawn
    nothing = Estimate(None, None, evidence=Evidence.NOT_ESTABLISHED).record()
    bits = {
        "nll": Estimate(20.4, 0.3, evidence=Evidence.LOWER).record(),
        "log_z": Estimate(1.2, 0.01, evidence=Evidence.LOWER).record(),
        "mmd": Estimate(float("nan"), float("nan")).record(),
        "kl": nothing,
    }
    pictures = (strokes(64, 9) > 0.5).astype(np.float32).reshape(64, -1)
    records.append(record("digits-binary", "ebm-pcd", {}, status="failed", reason="training diverged at step 812: smaller learning rate."))
    records.append(record("digits-binary", "rbm", bits))
    broken = np.full(500, np.nan)
    arrays[Cell("digits-binary", "rbm", 0)] = {"draws": pictures, "energy_data": broken, "energy_draws": broken}
    scenes = {
        "gaussians8": Scene(
            "gaussians8", "Eight Gaussians on a ring, masses 1:2:...:8.", ("x", "y"), ring(1000, 77), WINDOW, landscape(), tuple(MASSES)
        ),
        "digits": Scene("digits", "Handwritten digits, 8 x 8.", (), strokes(64, 3).reshape(64, -1), image_shape=(8, 8)),
        "digits-binary": Scene("digits-binary", "Handwritten digits, 8 x 8 bits.", (), pictures, image_shape=(8, 8)),
    }
    about = {model: f"{model} <in> one line & how exact it is." for model in PLAN}
    blind = {model: f"what {model} cannot <tell>, in one line & no more" for model in PLAN}
    return Content(Card(models=tuple(PLAN)), tuple(records), arrays, scenes, about, blind)


def fitted(place: int, model: str, shift: float, evidence: Evidence, masses: np.ndarray) -> tuple[dict, dict]:
    """One model of the ring: without density where its evidence is implicit."""
    rng = np.random.default_rng(place)
    arrays = {
        "draws": ring(1000, place, masses, 0.35 + shift),
        "history_evaluations": np.linspace(0, 6e6, 40),
        "history_score": 3 + np.exp(-np.linspace(0, 5, 40)) + 0.02 * rng.normal(size=40),
    }
    held = record("gaussians8", model, metrics(shift, evidence, masses), trials=TRIALS, seconds=20.0 + place)
    if evidence is Evidence.IMPLICIT:
        held["metrics"] = {name: metric for name, metric in held["metrics"].items() if not name.startswith(("log_z", "kl", "bits"))}
        held["metrics"]["nll"] = Estimate(None, None, evidence=evidence).record()
        return held, arrays
    return held, arrays | {
        "landscape": landscape(masses, 0.35 + shift),
        "energy_data": 2.83 + shift + rng.gamma(1.0, 1.0, 2000) - 1,
        "energy_draws": 2.83 + rng.gamma(1.0, 1.0, 2000) - 1,
    }


def digits(place: int, model: str) -> tuple[dict, dict]:
    """One model of pictures, its likelihood a bound; the last one's is in doubt."""
    rng = np.random.default_rng(place)
    nll = Estimate(-41.2 + 3 * place, 0.4, evidence=Evidence.UPPER, status=Status.LOW_ESS if place == 2 else Status.OK)
    held = record("digits", model, {"nll": nll.record(), "mmd": Estimate(0.01, 0.002).record()}, trials=TRIALS)
    rows = nll.value + rng.normal(size=300)
    return held, {"draws": strokes(64, 20 + place).reshape(64, -1), "energy_data": rows, "energy_draws": rows - 0.3}


def strokes(n: int, seed: int) -> np.ndarray:
    """`n` pictures of 8 x 8 that look as if drawn by hand: an arc each."""
    rng = np.random.default_rng(seed)
    turns = rng.uniform(0, 2 * np.pi, (n, 1)) + np.linspace(0, 4, 24)
    points = 3.5 + rng.uniform(1.5, 2.8, (n, 1, 1)) * np.stack([np.cos(turns), np.sin(turns)], axis=-1)
    pixels = np.stack(np.meshgrid(np.arange(8), np.arange(8)), axis=-1)
    apart = ((pixels[None, :, :, None] - points[:, None, None]) ** 2).sum(-1).min(-1)
    return np.exp(-apart).astype(np.float32)

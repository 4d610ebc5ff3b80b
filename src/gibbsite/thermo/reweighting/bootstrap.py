"""Error bars of MBAR by resampling: every replicate weighs the same samples anew, so no energy is computed or copied twice.

With P at the full solution and f = f_full + delta, sample n of a replicate that drew it c_n times has

    exp(d_n) = exp(d_n at f_full) S_n,    S_n = sum_k P_kn exp(delta_k),    L' = exp(delta_k) sum_n P_kn c_n / S_n - N_k,

two matrix products for all replicates together. Steps of Newton with the Hessian of the full solution (a chord) contract by as much as
a replicate's Hessian differs from it, so that few suffice; where they do not, the replicate is solved by itself.
"""

import dataclasses

import jax
import numpy as np
from jaxtyping import Array, Float, Key, UInt8

from gibbsite.core import ArrayLike, Estimate, Status
from gibbsite.samplers.progress import Progress, bar
from gibbsite.thermo.reweighting.check import per_sample
from gibbsite.thermo.reweighting.dual import Counts, Sampled, blocks
from gibbsite.thermo.reweighting.mbar import MBAR
from gibbsite.thermo.reweighting.solve import solve

BATCH = 64  # replicates at a time
CHORDS = 30
CLOSE = 1e-10  # squared distance from a replicate's solution in standard errors
FARTHEST = 50.0  # nats: a replicate that wants to go farther is solved by itself

Drawn = UInt8[np.ndarray, "b n"]
Chances = Float[np.ndarray, "sampled n"]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Bootstrap:
    """Free energies `f` of every replicate and state, and how often each replicate drew each sample.

    `failed` replicates were not solved and are left out.
    """

    full: MBAR
    f: Float[np.ndarray, "b k"]
    drawn: Drawn
    failed: int

    def difference(self, state: int, base: int = 0) -> Estimate:
        """`MBAR.difference` with the spread of the replicates as its standard error."""
        found = self.full.difference(state, base)
        return self._spread(found, self.f[:, state] - self.f[:, base])

    def expectation(self, values: ArrayLike, state: int | ArrayLike = 0) -> Estimate:
        """`MBAR.expectation` with the spread of the replicates as its standard error."""
        column = self.full.column(state)
        a = np.where(column > 0, per_sample(values, "values", len(column)), 0.0)
        ratios = self._ratios() @ np.stack([column * a, column], axis=1)
        return self._spread(self.full.expectation(values, state), ratios[:, 0] / ratios[:, 1])

    def _ratios(self) -> Float[np.ndarray, "b n"]:
        """c_n / S_n: how much more a sample weighs in a replicate than in all samples."""
        sampled = self.full.counts > 0
        p = _chances(self.full)
        return self.drawn / (np.exp(self.f - self.full.f)[:, sampled] @ p)

    def _spread(self, full: Estimate, values: Float[np.ndarray, " b"]) -> Estimate:
        """The full estimate with the standard deviation of its replicates; where that has no error bar, neither has this."""
        if full.stderr is None:
            return full
        known = len(values) > 1
        found = dataclasses.replace(full, stderr=float(np.std(values, ddof=1)) if known else None, lo=None, hi=None)
        return found.doubted(Status.NOT_CONVERGED) if self.failed else found


def bootstrap(m: MBAR, replicates: int = 100, *, progress: Progress | bool = False, key: Key[Array, ""]) -> Bootstrap:
    """Replicates of MBAR, each with as many samples of every state as there are, drawn with replacement.

    Raises:
        ValueError: fewer than two replicates.
    """
    if replicates < 2:
        raise ValueError(f"replicates={replicates}: the spread of at least two is needed; 100 give an error bar to 7 %.")
    rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))
    drawn = np.stack([_draw(m.counts, rng) for _ in range(replicates)])
    p, found = _chances(m), np.full((replicates, len(m.f)), np.nan)
    with bar("bootstrap", replicates, wanted=progress) as shown:
        for part in (slice(start, start + BATCH) for start in range(0, replicates, BATCH)):
            found[part] = _replicate(m, p, drawn[part])
            shown.advance(len(found[part]))
    solved = ~np.isnan(found[:, 0])
    return Bootstrap(m, found[solved], drawn[solved], int(np.sum(~solved)))


def _chances(m: MBAR) -> Chances:
    """P at the full solution, of the sampled states."""
    sampled = m.counts > 0
    return m.counts[sampled, None] * m.weights[sampled]


def _draw(counts: Counts, rng: np.random.Generator) -> UInt8[np.ndarray, " n"]:
    """How often each sample is drawn, state by state."""
    parts = [np.bincount(rng.integers(n, size=n), minlength=n) for n in counts if n]
    return np.concatenate(parts).astype(np.uint8)


def _replicate(m: MBAR, p: Chances, drawn: Drawn) -> Float[np.ndarray, "b k"]:
    """Free energies of some replicates; NaN where one was not solved."""
    sampled = np.nonzero(m.counts)[0]
    counts = m.counts[sampled].astype(float)
    delta, settled = _chord(p, m.inverse, counts, drawn)
    for b in np.nonzero(~settled)[0]:
        solution = solve(m.u_kn[sampled], counts, m.f[sampled], drawn[b].astype(float))
        delta[:, b] = solution.f + m.f[sampled[0]] - m.f[sampled] if solution.converged else np.nan
    sums = np.zeros((len(m.f), len(drawn)))
    grown = np.exp(delta)
    for part in blocks(p):
        sums += m.weights[:, part] @ (drawn[:, part].T / (p[:, part].T @ grown))
    with np.errstate(divide="ignore"):
        f = m.f[:, None] - np.log(sums)
    return (f - f[0]).T


def _chord(p: Chances, inverse: Sampled, counts: Float[np.ndarray, " sampled"], drawn: Drawn) -> tuple[np.ndarray, np.ndarray]:
    """Differences from the full solution, `k b`, and which replicates reached theirs."""
    delta = np.zeros((len(p), len(drawn)))
    for _ in range(CHORDS):
        grown, taken = np.exp(delta), np.zeros_like(delta)
        for part in blocks(p):
            taken += p[:, part] @ (drawn[:, part].T / (p[:, part].T @ grown))
        gradient = grown * taken - counts[:, None]
        move = -inverse @ gradient
        away = -np.einsum("kb,kb->b", gradient, move)
        delta = np.clip(delta + move, -FARTHEST, FARTHEST)
        if np.all(away < CLOSE):
            break
    return delta, (away < CLOSE) & (np.max(np.abs(delta), axis=0) < FARTHEST)

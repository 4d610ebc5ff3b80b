"""The law of resampling: on average a walker gets as many copies as its weight is worth, and one of weight 0 gets none."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Key

from gibbsite.testing.law import LawViolation, bounded, z_test
from gibbsite.thermo.resampling import Rule

# Uneven, in no order, with zeros at both ends and between, one that underflows, and one worth more than two copies.
WEIGHTS = (0.0, 0.05, 0.31, 0.0, 0.02, 0.09, 0.23, 1e-60, 0.07, 0.13, 0.1, 0.0)
COPIES = (5, 12, 16)  # fewer than walkers, as many, and more


def check_resampling(rule: Rule, *, replicates: int = 20_000, key: Key[Array, ""]) -> dict[int, Int[np.ndarray, "replicates walkers"]]:
    """n walkers in rising order; `E n_i = n w_i` within 5.6 standard errors, walker by walker; none of weight 0.

    Weights come as logs with a constant added, zeros as -inf. With 36 means under test, each at 2 in 10^8, a right rule is refused in
    one of a million keys; at 20,000 replicates a mean wrong by 5.6 sqrt(Var n_i / 20,000) is seen, of a walker worth one copy by 0.04.

    Returns:
        dict: the counts found (replicates walkers), by n.

    Raises:
        LawViolation: a count or its mean is wrong.
    """
    with np.errstate(divide="ignore"):
        log_weights = jnp.asarray(np.log(WEIGHTS) + 300, jnp.result_type(float))
    found = {}
    for n in COPIES:
        keys = jax.random.split(jax.random.fold_in(key, n), replicates)
        chosen = np.asarray(jax.jit(jax.vmap(lambda k, n=n: rule(log_weights, n, key=k)))(keys))
        if chosen.shape != (replicates, n) or np.any(np.diff(chosen) < 0) or chosen.min() < 0 or chosen.max() >= len(WEIGHTS):
            raise LawViolation(f"{rule.__name__}: {n} copies: indices are not {n} numbers of walkers in rising order.")
        counts = np.stack([(chosen == i).sum(axis=1) for i in range(len(WEIGHTS))], axis=1)
        name = f"{n} copies of {len(WEIGHTS)} walkers"
        nothing = np.exp(np.asarray(log_weights, np.float64) - 300) < 1e-30
        bounded(rule.__name__, f"{name}: walkers of weight 0", counts[:, nothing], 0)
        z_test(rule.__name__, f"{name}: mean count", counts, n * np.asarray(WEIGHTS))
        found[n] = counts
    return found

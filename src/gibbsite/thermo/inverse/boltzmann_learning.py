"""Boltzmann learning: the couplings of largest likelihood, at which the moments of the energy are those of the data.

The log likelihood a row, `theta . <T>_data - log Z(theta)`, is concave, with slope `<T>_data - <T>_theta` and curvature minus the Fisher
information `F = Cov_theta(T)`; T are the features of sites and pairs (Ackley, Hinton & Sejnowski, Cognitive Science 9, 1985). Newton's step
is `F^-1 (<T>_data - <T>_theta)`, by sums over all states or by walkers; the errors are those of `F^-1 / rows`.
"""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key

from gibbsite.core import AbstractSpace, ArrayLike, Status, as_float, configurations, count, values
from gibbsite.core.keys import POSITION, chain_keys, step_keys
from gibbsite.samplers import Gibbs, Progress
from gibbsite.thermo.inverse.inferred import Inferred
from gibbsite.thermo.inverse.moments import Layout, inferred
from gibbsite.thermo.inverse.pseudo_likelihood import pseudo_likelihood
from gibbsite.thermo.inverse.sites import Machine, Sites, contrast, sites

MOST_STATES = 2**16
NEWTON = 100
CLOSE = 1e-9  # of moments
LEAST = 0.1  # of the information that all rows hold of a parameter: with less its error is above 3, and it runs away
WALKERS_A_PARAMETER = 8  # so that the sampled Fisher information can be inverted
OFF = 5.6  # errors by which what the walkers find may differ from the data in the end


def exact_learning(samples: ArrayLike, space: AbstractSpace) -> Inferred:
    """The maximum of the likelihood by sums over all states, up to 2^16: the best that any method can do with these rows.

    Raises:
        TypeError, ValueError: as `sites` has them; there are too many states.
    """
    data = sites(samples, space, "exact_learning")
    if count(space) > MOST_STATES:
        much = f"{len(values(space))}^{space.size}"
        raise ValueError(f"exact_learning sums over all states, and there are {much}: use boltzmann_learning, which samples them.")
    layout = Layout.of(data)
    states = np.asarray(configurations(space, jnp.arange(count(space)))).reshape(count(space), -1)
    table, target = layout.statistics(_features(states, space)), layout.statistics(data.phi).mean(axis=0)
    theta = np.append(data.independent().ravel(), np.zeros(layout.size - layout.n * layout.k))
    for _ in range(NEWTON):
        likelihood, miss, information = _exact(theta, table, target)
        if not np.linalg.eigvalsh(information)[0] * len(data.phi) > LEAST:
            break
        if np.max(np.abs(miss)) < CLOSE:
            return inferred("exact learning", data, layout, theta, np.linalg.inv(information) / len(data.phi))
        step = np.linalg.solve(information, miss)
        while _exact(theta + step, table, target)[0] < likelihood and np.max(np.abs(step)) > CLOSE:
            step /= 2
        theta = theta + step
    return Inferred.of("exact learning", data, *layout.apart(theta), status=Status.NOT_CONVERGED)


def _features(states: np.ndarray, space: AbstractSpace) -> Float[np.ndarray, "rows sites k"]:
    levels = np.asarray(values(space))
    return contrast(len(levels))[np.argmax(states[..., None] == levels.astype(states.dtype), axis=-1)]


def _exact(theta: np.ndarray, table: np.ndarray, target: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Mean log likelihood, its slope, and the Fisher information."""
    logs = table @ theta
    top = logs.max()
    weights = np.exp(logs - top)
    total = weights.sum()
    p = weights / total
    mean = p @ table
    centred = table - mean
    return float(theta @ target - top - np.log(total)), target - mean, (centred.T * p) @ centred


def boltzmann_learning(
    samples: ArrayLike,
    space: AbstractSpace,
    *,
    walkers: int | None = None,
    rounds: int = 2,
    sweeps: int = 64,
    progress: Progress | None = None,
    key: Key[Array, ""],
) -> Inferred:
    """The maximum of the likelihood by moment matching: `rounds` of Gibbs sweeps of all walkers, and one step of Newton each.

    It starts from `pseudo_likelihood`, so near that two steps do, with walkers at rows of the data that are never set back (persistent:
    Tieleman, ICML 2008): as many as 8 times the parameters, and at least 1024, if no number is given. In a round they settle for `sweeps`
    and are looked at for as many. The error is `F^-1 / rows + F^-1 V F^-1`, V the variance of the moments by what walkers, which know
    nothing of each other, differ in the means of their sweeps, however slowly they move.

    In the end a further round compares the moments: where they differ from the data's by more than chance, the walkers have not settled,
    and the result is NOT_CONVERGED.

    Raises:
        TypeError, ValueError: as `sites` has them; walkers, rounds or sweeps are too few.
    """
    data = sites(samples, space, "boltzmann_learning")
    layout = Layout.of(data)
    walkers = max(1024, WALKERS_A_PARAMETER * layout.size) if walkers is None else walkers
    if walkers < 2 * layout.size:
        raise ValueError(f"walkers={walkers} for {layout.size} parameters: give at least {2 * layout.size}, better 8 for each.")
    if rounds < 1 or sweeps < 1:
        raise ValueError(f"rounds={rounds} of sweeps={sweeps}: give at least one of each.")
    first = pseudo_likelihood(samples, space)
    if first.couplings.status is not Status.OK:
        return dataclasses.replace(first, method="Boltzmann learning")
    target, theta = layout.statistics(data.phi).mean(axis=0), _as_features(first, data, layout)
    group = _Group(data, layout, walkers, sweeps, key)
    with progress or Progress("learning", rounds + 1) as shown:
        for _ in range(rounds):
            mean, noise, information = group.moments(theta)
            inverse = np.linalg.inv(information)
            theta = theta + inverse @ (target - mean)
            shown.advance(1)
        last, more, _ = group.moments(theta)
        shown.advance(1)
    found = inferred("Boltzmann learning", data, layout, theta, inverse / len(data.phi) + inverse @ noise @ inverse)
    matched = np.all(np.abs(target - last) < OFF * np.sqrt(np.diag(noise + more)))
    return found if matched else found.doubted(Status.NOT_CONVERGED)


def _as_features(found: Inferred, data: Sites, layout: Layout) -> Float[np.ndarray, " size"]:
    """The parameters of features from couplings and fields as they are told: `C' J C / q^2`, `C' h / q`."""
    couplings, fields, q = np.asarray(found.couplings.value), np.asarray(found.fields.value), len(data.contrast)
    if layout.k == 1 and couplings.ndim == 2:
        return layout.together(couplings[..., None, None], fields[:, None])
    return layout.together(np.einsum("ap,ijab,br->ijpr", data.contrast, couplings, data.contrast) / q**2, fields @ data.contrast / q)


class _Group:
    """Walkers that go on from round to round."""

    def __init__(self, data: Sites, layout: Layout, walkers: int, sweeps: int, key: Key[Array, ""]):
        rows = np.asarray(jax.random.randint(jax.random.fold_in(key, POSITION), (walkers,), 0, len(data.phi)))
        level = np.argmax(data.phi[rows] @ data.contrast.T, axis=-1)  # a row of C is nearest to itself
        self._xs = as_float(np.asarray(values(data.space))[level].reshape(walkers, *data.space.shape))
        self._keys, self._data, self._layout, self._sweeps, self._done = chain_keys(key, walkers), data, layout, sweeps, 0

    def moments(self, theta: Float[np.ndarray, " size"]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Means of the statistics at these parameters, the covariance of these means, and that of the statistics themselves."""
        machine = self._data.machine(*self._layout.apart(theta))
        span = self._done + self._sweeps * np.arange(3)
        pairs, matrix = jnp.asarray(self._layout.pairs), as_float(self._data.contrast)
        self._xs, own, last = _swept(machine, self._xs, self._keys, jnp.asarray(span, jnp.int32), matrix, pairs)
        self._done = int(span[-1])
        means = np.asarray(own, np.float64) / self._sweeps
        return means.mean(axis=0), np.cov(means, rowvar=False) / len(means), np.cov(np.asarray(last, np.float64), rowvar=False)


@eqx.filter_jit
def _swept(
    machine: Machine,
    xs: Float[Array, "walkers *x"],
    keys: Key[Array, " walkers"],
    span: Int[Array, "3"],
    matrix: Float[Array, "q k"],
    pairs: Int[Array, "2 pairs"],
) -> tuple[Array, Array, Array]:
    """Walkers after sweeps `span[0]` to `span[2]`, the sums of their statistics from `span[1]` on, and the last ones."""
    kernel, levels = Gibbs(), jnp.asarray(values(machine.space))

    def statistics(x: Array) -> Array:
        phi = jnp.asarray(jnp.ravel(x)[:, None] == levels, matrix.dtype) @ matrix
        products = phi[pairs[0], :, None] * phi[pairs[1], None, :]
        return jnp.concatenate([phi.ravel(), products.ravel()])

    def sweep(i: Array, held: tuple[Array, Array]) -> tuple[Array, Array]:
        def one(x: Array, key: Array) -> Array:
            begin, move = jax.random.split(key)
            state, _ = kernel.step(machine, kernel.init(machine, x, key=begin), key=move)
            return kernel.position(state)

        xs = jax.vmap(one)(held[0], step_keys(keys, i))
        return xs, held[1] + jnp.where(i >= span[1], jax.vmap(statistics)(xs), 0.0)

    begun = jnp.zeros((len(xs), matrix.shape[1] * machine.space.size + matrix.shape[1] ** 2 * pairs.shape[1]))
    xs, sums = jax.lax.fori_loop(span[0], span[2], sweep, (xs, begun))
    return xs, sums, jax.vmap(statistics)(xs)

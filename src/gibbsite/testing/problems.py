"""Exactly solvable problems: shifted and asymmetric, so that a wrong sign shows."""

from collections.abc import Callable as Function
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key, PyTree

from gibbsite.core import (
    AbstractEnergy,
    AbstractSpace,
    Binary,
    Box,
    Callable,
    Latent,
    as_float,
    configurations,
    count,
    discrete,
    draw,
    need,
    values,
)
from gibbsite.energies import XY, BinaryRBM, BlumeCapel, BoltzmannMachine, Copies, GaussianMixture, GaussianRBM, Ising, Potts
from gibbsite.thermo import enumerate_log_z, quadrature


@dataclass(frozen=True)
class Problem:
    """An energy with its exact constant, in nats, and exact draws: `sample(key=key) -> x`."""

    energy: AbstractEnergy
    log_z: float
    sample: Function[..., PyTree]


def states(space: AbstractSpace) -> Array:
    """All configurations of a small discrete space, in the order of `core.configurations`."""
    return configurations(space, jnp.arange(count(space)))


def numbers(space: AbstractSpace, xs: Array) -> np.ndarray:
    """The row of each configuration in `states`."""
    levels = np.asarray(values(space))
    digits = np.searchsorted(levels, np.asarray(xs, np.float64).reshape(len(xs), -1) - 1e-6)
    return digits @ len(levels) ** np.arange(space.size)


def few_states(space: AbstractSpace, most: int) -> bool:
    """Whether a space is discrete, with at most so many configurations."""
    return discrete(space) and count(space) <= most


def enumerated(energy: AbstractEnergy) -> Problem:
    """A problem on a discrete space of at most 2^16 states: everything from the list of states."""
    xs = states(energy.space)
    law = np.exp(-np.asarray(jax.vmap(energy)(xs), np.float64))
    below = jnp.asarray(np.cumsum(law)[:-1] / law.sum(), jnp.result_type(float))

    def sample(*, key: Key[Array, ""]) -> Array:
        return xs[jnp.searchsorted(below, jax.random.uniform(key), side="right")]

    return Problem(energy, float(enumerate_log_z(energy).value or 0.0), sample)


def mixture() -> Problem:
    """Two Gaussians on the plane, unequal in place, width and mass; `log_z = log 3`."""
    energy = GaussianMixture(jnp.array([[1.0, 1.5], [-1.5, 0.0]]), jnp.array([0.5, 0.8]), jnp.array([1.0, 2.0]))
    return Problem(energy, float(np.log(3.0)), lambda *, key: draw(energy, key=key))


def ising() -> Problem:
    """A 3 x 3 torus with a field of its own at every site."""
    return enumerated(Ising((3, 3), as_float(0.3), jnp.linspace(-0.3, 0.5, 9).reshape(3, 3)))


def copies(one: Problem, number: int) -> Problem:
    """Independent copies of a problem, as one."""

    def sample(*, key: Key[Array, ""]) -> Array:
        return jax.vmap(lambda k: one.sample(key=k))(jax.random.split(key, number))

    return Problem(Copies(one.energy, number), number * one.log_z, sample)


def torus() -> Problem:
    """Thirty-two copies of a 4 x 4 torus without field."""
    return copies(enumerated(Ising((4, 4), as_float(0.1))), 32)  # weak, so that four switches anneal 512 spins


def glass() -> Problem:
    """A 3 x 3 torus whose bonds favour equal spins or unequal ones, with a field of its own at every site."""
    bonds = [[0.5, -0.4, 0.3], [-0.6, 0.2, 0.7], [0.4, 0.1, -0.3]], [[-0.2, 0.6, 0.5], [0.3, -0.5, 0.4], [0.7, 0.2, -0.1]]
    return enumerated(Ising((3, 3), as_float(bonds), jnp.linspace(0.4, -0.2, 9).reshape(3, 3)))


def glasses() -> Problem:
    """Two copies of a 2 x 3 glass with open ends and a field of its own at every site: 4096 states."""
    bonds = [[0.5, -0.4, 0.3], [-0.6, 0.2, 0.7]], [[-0.2, 0.6, 0.5], [0.3, -0.5, 0.4]]
    return enumerated(Copies(Ising((2, 3), as_float(bonds), jnp.linspace(0.4, -0.2, 6).reshape(2, 3), periodic=False), 2))


def potts() -> Problem:
    """Three levels, not evenly spaced, on a 2 x 3 lattice with open ends: 729 states, with bonds and fields of their own."""
    bonds = jnp.linspace(0.2, 0.9, 12).reshape(2, 2, 3)
    return enumerated(Potts((2, 3), (-1, 0, 2), bonds, jnp.linspace(-0.8, 1.0, 18).reshape(2, 3, 3) ** 2, periodic=False))


def blume_capel() -> Problem:
    """Spins that may be absent, on a 2 x 3 lattice with open ends: 729 states, and a slope that tells levels apart."""
    return enumerated(BlumeCapel((2, 3), as_float(0.6), as_float(0.3), jnp.linspace(-0.4, 0.6, 6).reshape(2, 3), periodic=False))


def machine() -> Problem:
    """Six bits on a graph with a triangle and a branch, their couplings of both signs."""
    edges = [[0, 1], [1, 2], [2, 0], [2, 3], [3, 4], [5, 3]]
    return enumerated(BoltzmannMachine(Binary((6,)), edges, [1.5, -1.1, 0.8, -1.3, 0.9, 0.6], [0.5, -0.8, 0.2, 0.1, -0.6, 0.3]))


def xy() -> Problem:
    """A ring of three rotors, their bonds of both signs and each in a field of its own; draws by rejection from the uniform law."""
    bonds, field = as_float([[0.9, -0.5, 0.7]]), as_float([[0.5, -0.2], [0.1, 0.6], [-0.3, 0.3]])
    energy = XY((3,), bonds, field)
    least = -jnp.sum(jnp.abs(bonds)) - jnp.sum(jnp.linalg.norm(field, axis=1))

    def sample(*, key: Key[Array, ""]) -> Array:
        def attempt(carry: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
            turn, coin = jax.random.split(jax.random.fold_in(key, carry[2]))
            x = jax.random.uniform(turn, (3,), minval=-jnp.pi, maxval=jnp.pi)
            return x, jnp.log(jax.random.uniform(coin)) > least - energy(x), carry[2] + 1

        return jax.lax.while_loop(lambda carry: carry[1], attempt, (jnp.zeros(3), jnp.array(True), jnp.zeros((), int)))[0]

    return Problem(energy, float(quadrature(energy).value or 0.0), sample)


def rbm() -> Problem:
    """Four visible and three hidden bits."""
    weights = jnp.array([[1.2, -0.7, 0.3], [-0.4, 0.9, 1.1], [0.8, 0.2, -1.3], [-1.0, 0.5, 0.6]])
    return enumerated(BinaryRBM(weights, jnp.array([0.5, -0.8, 0.2, 0.1]), jnp.array([-0.3, 0.7, 0.1])))


def gaussian_rbm() -> Problem:
    """Two real visible units and three hidden bits: eight Gaussians of unequal mass."""
    energy, log_z, pair = _gaussian_rbm()
    return Problem(energy, log_z, lambda *, key: pair(key=key)[0])


def mixed() -> Problem:
    """Two real numbers and three bits that see each other: those of `gaussian_rbm`, its hidden units told."""
    energy, log_z, pair = _gaussian_rbm()
    return Problem(need(energy, Latent, "mixed").joint, log_z, pair)


def _gaussian_rbm() -> tuple[GaussianRBM, float, Function[..., tuple[Array, Array]]]:
    """The machine, its log Z, and exact draws of visible and hidden units together."""
    weights = np.array([[1.2, -0.7, 0.3], [-0.4, 0.9, 1.1]])
    visible, hidden, log_scale = np.array([0.5, -0.8]), np.array([-0.3, 0.7, 0.1]), np.array([0.1, -0.4])
    bits = ((np.arange(8)[:, None] >> np.arange(3)) & 1).astype(float)
    push = bits @ weights.T
    logits = bits @ hidden + push @ (visible / np.exp(log_scale)) + 0.5 * np.sum(push**2, axis=1)
    log_z = float(np.log(np.sum(np.exp(logits))) + np.sum(log_scale) + np.log(2 * np.pi))
    energy = GaussianRBM(*(jnp.asarray(a, jnp.result_type(float)) for a in (weights, visible, hidden, log_scale)))
    latent = need(energy, Latent, "gaussian_rbm")

    def pair(*, key: Key[Array, ""]) -> tuple[Array, Array]:
        which, noise = jax.random.split(key)
        h = jnp.asarray(bits, jnp.result_type(float))[jax.random.categorical(which, jnp.asarray(logits, jnp.result_type(float)))]
        return latent.sample_visible(h, key=noise), h

    return energy, log_z, pair


def wedge() -> Problem:
    """A slope in a box, `U = 1.5 x_1 - 0.8 x_2`: most of the mass lies against two of the walls."""
    low, high, slope = jnp.array([0.0, -1.0]), jnp.array([1.0, 2.0]), jnp.array([1.5, -0.8])
    energy = Callable(_slope, slope, Box(low, high))
    ends = np.asarray(jnp.stack([low, high]), np.float64)
    k = np.asarray(slope, np.float64)
    log_z = float(np.sum(np.log(-np.diff(np.exp(-k * ends), axis=0)[0] / k)))

    def sample(*, key: Key[Array, ""]) -> Array:
        u = jax.random.uniform(key, (2,))  # the inverse of the distribution function, axis by axis
        return low - jnp.log1p(-u * -jnp.expm1(-slope * (high - low))) / slope

    return Problem(energy, log_z, sample)


def _slope(slope: Array, x: Array) -> Array:
    return jnp.sum(slope * x)


PROBLEMS: dict[str, Function[[], Problem]] = {
    "mixture": mixture,
    "ising": ising,
    "glass": glass,
    "glasses": glasses,
    "potts": potts,
    "blume capel": blume_capel,
    "machine": machine,
    "xy": xy,
    "rbm": rbm,
    "gaussian rbm": gaussian_rbm,
    "wedge": wedge,
}

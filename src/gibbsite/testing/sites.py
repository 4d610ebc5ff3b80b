"""The laws of sites: what single-site views of an energy say must be what the energy says."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from gibbsite.core import (
    AbstractEnergy,
    AbstractSpace,
    Conditionals,
    LevelBonds,
    LocalFields,
    Neighbours,
    Pairwise,
    ScalarField,
    Torus,
    capability,
    need,
    two_valued,
    values,
)
from gibbsite.testing.law import LawViolation, bounded, energies_of, name_of, rounding

ADDED = (Conditionals, Pairwise, LocalFields)  # that a sum has where both have it
SITES = (*ADDED, Neighbours, LevelBonds, ScalarField)
TURNS = (0.4, -1.1, 2.3)  # angles that a rotor is turned to


def check_sites(energy: AbstractEnergy, xs: PyTree) -> None:
    """Every single-site view that the energy has.

    Raises:
        LawViolation: names the view, the measured value and its bound.
    """
    if (conditionals := capability(energy, Conditionals)) is not None:
        check_conditionals(energy, conditionals, xs)
    if (bonds := capability(energy, Pairwise)) is not None:
        check_pairwise(energy, bonds, xs)
    if (fields := capability(energy, LocalFields)) is not None:
        check_local_fields(energy, fields, xs)
    if (lists := capability(energy, Neighbours)) is not None:
        check_neighbours(energy, lists, xs)


def check_conditionals(energy: AbstractEnergy, view: Conditionals, xs: Array) -> None:
    """Logits are differences of energy at every site; blocks share out the sites; within a block no site feels another."""
    name, levels = name_of(energy), jnp.asarray(values(energy.space))
    _check_blocks(name, view.blocks)
    sites = jnp.eye(energy.space.size).reshape(-1, *energy.space.shape)

    def by_level(x: Array) -> Array:
        """`*x levels`, less its first level (of a two-valued space: 0 and the logits)."""
        logits = view.logits(x)
        return jnp.stack([jnp.zeros_like(logits), logits], axis=-1) if two_valued(energy.space) else logits - logits[..., :1]

    def one(x: Array) -> tuple[Array, Array, Array, Array]:
        truth = jax.vmap(lambda s: jax.vmap(lambda v: energy(jnp.where(s > 0, v, x)))(levels))(sites)
        logits, nextly = by_level(x), jnp.roll(levels, -1)[jnp.argmax(x[..., None] == levels, axis=-1)]
        changed = jax.vmap(lambda s: by_level(jnp.where(s > 0, nextly, x)))(sites)
        mates = _mates(view.blocks)
        felt = jnp.max(jnp.abs(mates[..., None] * (changed - logits)))
        return logits.reshape(len(sites), -1), truth[:, :1] - truth, felt, jnp.max(jnp.abs(truth))

    logits, truth, felt, size = (np.asarray(a, np.float64) for a in jax.jit(jax.vmap(one))(xs))
    bounded(name, "conditional logits against differences of energy", logits - truth, rounding(size)[:, None, None])
    bounded(name, "logits of a block under flips of its other sites", felt, rounding(size))


def _check_blocks(name: str, blocks: Float[Array, "blocks *x"]) -> None:
    held = np.asarray(blocks)
    if not (np.all((held == 0) | (held == 1)) and np.all(held.sum(axis=0) == 1)):
        raise LawViolation(f"{name}: blocks of the conditionals must hold every site exactly once.")


def _mates(blocks: Float[Array, "blocks *x"]) -> Float[Array, "sites *x"]:
    """For each site the others of its block."""
    flat = blocks.reshape(len(blocks), -1)
    return (flat.T @ flat - jnp.eye(flat.shape[1])).reshape(-1, *blocks.shape[1:])


def check_pairwise(energy: AbstractEnergy, view: Pairwise, xs: Float[Array, "n *x"]) -> None:
    """The energy is the sum of gaps over bonds whose sites differ, less what the sites alone give to it, up to a constant.

    The bonds of a grid are those of the list, in its order.
    """
    sites = jnp.arange(energy.space.size)
    ends = [jnp.concatenate([end.ravel() for end in pair]) for pair in zip(*view.ends(sites), strict=True)]
    if not np.array_equal(np.stack(ends, axis=-1), view.edges):
        raise LawViolation(f"{name_of(energy)}: the bonds of the grid {view.grid} are not those of the list of edges.")

    def rebuilt(x: Array) -> Array:
        one, other = jnp.ravel(x)[view.edges.T]
        apart = (1 - jnp.cos(one - other)) / 2 if isinstance(energy.space, Torus) else one != other
        return jnp.sum(apart * view.gaps) - _alone(energy.space, view.alone, x)

    truth, found = (np.asarray(a, np.float64) for a in (energies_of(energy, xs), jax.jit(jax.vmap(rebuilt))(xs)))
    gap = found - truth
    bounded(name_of(energy), "bonds and single sites against the energy", gap - gap[0], 2 * rounding(truth) + 2 * rounding(found))


def _alone(space: AbstractSpace, alone: Array | None, x: Array) -> Array:
    if alone is None:
        return jnp.zeros(())
    if isinstance(space, Torus):
        return jnp.sum(alone * jnp.stack([jnp.cos(x), jnp.sin(x)], axis=-1))
    levels = jnp.asarray(values(space))
    taken = (x == levels[-1]) if two_valued(space) else x[..., None] == levels
    return jnp.sum(jnp.where(taken, alone, 0.0))


def check_local_fields(energy: AbstractEnergy, view: LocalFields, xs: Float[Array, "n *x"]) -> None:
    """Turning one rotor changes the energy as its field says; the field depends on no rotor of its block, its own included."""
    name = name_of(energy)
    _check_blocks(name, view.blocks)
    sites, turns = jnp.eye(energy.space.size).reshape(-1, *energy.space.shape), jnp.asarray(TURNS)
    plane = jnp.stack([jnp.cos(turns), jnp.sin(turns)])

    def one(x: Array) -> tuple[Array, Array, Array, Array]:
        truth = jax.vmap(lambda s: jax.vmap(lambda angle: energy(jnp.where(s > 0, angle, x)))(turns))(sites)
        fields = view.fields(x)
        turned = jax.vmap(lambda s: view.fields(jnp.where(s > 0, x + 1.0, x)))(sites)
        felt = jnp.max(jnp.abs((_mates(view.blocks) + sites)[..., None] * (turned - fields)))
        pull = fields.reshape(len(sites), 2) @ plane
        return pull - pull[:, :1], truth[:, :1] - truth, felt, jnp.max(jnp.abs(truth))

    pull, truth, felt, size = (np.asarray(a, np.float64) for a in jax.jit(jax.vmap(one))(xs))
    bounded(name, "local fields against differences of energy", pull - truth, rounding(size)[:, None, None])
    bounded(name, "local fields under turns of the block's rotors", felt, rounding(size))


def check_neighbours(energy: AbstractEnergy, view: Neighbours, xs: Float[Array, "n *x"]) -> None:
    """Lists give the energy, its constant included, and the logits of single sites; no site is in the list of one of its block."""
    name, (low, high) = name_of(energy), values(energy.space)
    sites = len(view.alone) - 1
    listed = np.asarray(view.blocks)
    if not np.array_equal(np.sort(listed[listed < sites]), np.arange(sites)):
        raise LawViolation(f"{name}: blocks of the lists must hold every site exactly once.")
    block = np.zeros(sites + 1, int)
    block[listed] = np.arange(len(listed))[:, None]
    felt = (np.asarray(view.weights) != 0) & (block[np.asarray(view.near)] == block[:, None]) & (np.asarray(view.near) < sites)
    if felt.any():
        raise LawViolation(f"{name}: a site is in the list of neighbours of another one of its block.")

    def rebuilt(x: Array) -> tuple[Array, Array, Array]:
        held = jnp.append(jnp.ravel(x), 0.0)
        around = view.around(held, jnp.arange(sites))
        logits = (view.alone[:-1] + around).reshape(x.shape)
        total = -jnp.sum(held[:-1] * (view.alone[:-1] + around / 2)) / (high - low)
        return total, logits, need(energy, Conditionals, "the law of neighbours").logits(x)

    truth = np.asarray(energies_of(energy, xs), np.float64)
    found, logits, known = (np.asarray(a, np.float64) for a in jax.jit(jax.vmap(rebuilt))(xs))
    bounded(name, "lists of neighbours against the energy", found - truth, 2 * rounding(truth) + 2 * rounding(found))
    bounded(name, "lists of neighbours against the conditionals", logits - known, 4 * rounding(np.max(np.abs(known))))

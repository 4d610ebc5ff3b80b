"""The laws of views that are not of sites: copies, maps, parts, rows of data, starts."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key, PyTree

from gibbsite.core import (
    AbstractEnergy,
    Copied,
    LevelBonds,
    Minibatches,
    Parts,
    Pushforward,
    ScalarField,
    Start,
    Sum,
    Tempered,
    as_float,
    capability,
    need,
    offers,
    values,
)
from gibbsite.testing.law import LawViolation, bounded, energies_of, name_of, rounding
from gibbsite.testing.pushforward import check_pushforward


def check_views(energy: AbstractEnergy, xs: PyTree, *, key: Key[Array, ""]) -> None:
    """Those of them that the energy has, at the configurations `xs`."""
    check_copies(energy, xs)
    if (carried := capability(energy, Pushforward)) is not None:
        check_pushforward(energy, carried, xs)
    check_given(energy, xs)
    check_minibatches(energy, xs, key=key)
    check_start(energy, len(jax.tree.leaves(xs)[0]), key=key)
    check_field(energy, xs)
    check_tables(energy, xs)


def check_copies(energy: AbstractEnergy, xs: PyTree) -> None:
    """The energy of several copies is the sum of that of each; so it is for the sum of two such energies."""
    if (view := capability(energy, Copied)) is not None:
        twice = need(Sum(energy, energy), Copied, "check_energy").one
        truth = energies_of(energy, xs)
        for one, factor in ((view.one, 1), (twice, 2)):
            apart = jax.jit(jax.vmap(lambda x, one=one: jnp.sum(jax.vmap(one)(x))))(xs)
            bounded(name_of(energy), "sum over copies", np.asarray(apart - factor * truth), rounding(factor * truth))


def check_given(energy: AbstractEnergy, xs: PyTree) -> None:
    """The energy of a part at given others changes with it as the whole does; so it is for the energy tempered, and added to itself."""
    if not offers(energy, Parts):
        return
    one, two = (jax.tree.map(lambda a: a[: len(a) // 2], xs), jax.tree.map(lambda a: a[len(a) // 2 :], xs))
    for form in (energy, Tempered(energy, as_float(0.7)), Sum(energy, energy)):
        for part in range(len(xs)):

            def gap(x: tuple, other: tuple, part: int = part, form: AbstractEnergy = form) -> tuple[Array, Array]:
                others = x[:part] + x[part + 1 :]
                alone = need(form, Parts, "check_energy").given(part, others)
                moved = form((*x[:part], other[part], *x[part + 1 :]))
                return (alone(other[part]) - alone(x[part])) - (moved - form(x)), jnp.abs(form(x)) + jnp.abs(moved)

            off, size = jax.jit(jax.vmap(gap))(one, two)
            bounded(name_of(form), f"energy of part {part} at given others", off, rounding(size))


def check_minibatches(energy: AbstractEnergy, xs: PyTree, *, key: Key[Array, ""]) -> None:
    """Estimates from one row each average to the energy, up to a constant, and so do those from pairs of rows."""
    for form in (energy, Tempered(energy, as_float(0.7))):
        view = capability(form, Minibatches)
        if view is None:
            continue
        rows = jnp.arange(view.rows)
        for index in (rows[:, None], jnp.stack([rows, jax.random.permutation(key, rows)], axis=1)):
            found = jax.jit(jax.vmap(lambda x, index=index, view=view: jnp.mean(jax.vmap(lambda i: view.estimate(x, i))(index))))(xs)
            truth = energies_of(form, xs)
            off = np.asarray(found - truth)
            bounded(name_of(form), f"mean of estimates from {index.shape[1]} rows", off - off[0], view.rows * rounding(truth))


def check_start(energy: AbstractEnergy, points: int, *, key: Key[Array, ""]) -> None:
    """Chains are born in the support, at finite energies, and apart."""
    if (view := capability(energy, Start)) is None:
        return
    xs = jax.jit(jax.vmap(lambda k: view.sample(key=k)))(jax.random.split(key, points))
    energies = np.asarray(energies_of(energy, xs))
    if not np.all(jax.vmap(energy.space.contains)(xs)) or not np.all(np.isfinite(energies)):
        raise LawViolation(f"{name_of(energy)}: chains are born outside the support, or at energies that are not finite.")
    if len(np.unique(energies)) < points:
        raise LawViolation(f"{name_of(energy)}: {points} chains are born at fewer energies than that.")


def check_field(energy: AbstractEnergy, xs: PyTree) -> None:
    """The three numbers of a field give its energy, up to a constant; so they do tempered, and added to themselves."""
    for form in (energy, Tempered(energy, as_float(0.7)), Sum(energy, energy)):
        if (view := capability(form, ScalarField)) is None:
            return

        def told(x: Array, view: ScalarField = view) -> Array:
            steps = sum((jnp.sum((one - other) ** 2) for one, other in view.grid.ends(x)), jnp.zeros(()))
            return view.stiffness * steps + jnp.sum(view.m2 * x**2 + view.lam * x**4)

        truth = np.asarray(energies_of(form, xs))
        off = np.asarray(jax.jit(jax.vmap(told))(xs)) - truth
        bounded(name_of(form), "energy of a scalar field", off - off[0], rounding(truth))


def check_tables(energy: AbstractEnergy, xs: PyTree) -> None:
    """Tables of bonds and of sites give the energy, up to a constant; so they do tempered."""
    for form in (energy, Tempered(energy, as_float(0.7))):
        if (view := capability(form, LevelBonds)) is None:
            return

        def told(x: Array, view: LevelBonds = view) -> Array:
            taken = jnp.searchsorted(jnp.asarray(values(energy.space)), x.ravel())
            one, other = taken[view.edges.T]
            alone = jnp.take_along_axis(view.alone.reshape(len(taken), -1), taken[:, None], axis=1)
            return jnp.sum(view.couplings * view.table[one, other]) - jnp.sum(alone)

        truth = np.asarray(energies_of(form, xs))
        off = np.asarray(jax.jit(jax.vmap(told))(xs)) - truth
        bounded(name_of(form), "energy of tables", off - off[0], rounding(truth))

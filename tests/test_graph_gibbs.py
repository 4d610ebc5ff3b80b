"""Copies of a graph side by side: the sweep is the heat bath of each, and what it says of them is what the energy says."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from registry.twins import Around

from gibbsite import Tempered
from gibbsite.core import AbstractEnergy, Binary, Capability, Neighbours, Spins, Sum, capability, need
from gibbsite.energies import BoltzmannMachine, Copies, Ising
from gibbsite.samplers import GraphGibbs, Silent, sample
from gibbsite.testing import LawViolation, problems
from gibbsite.testing.kernel import check_exact_start
from gibbsite.testing.law import rounding
from gibbsite.testing.sites import check_neighbours

KEY = jax.random.key(3)
MACHINE = problems.machine().energy
TREE = BoltzmannMachine(Spins((2, 3)), [[0, 3], [3, 5], [3, 1], [1, 4]], [0.7, -1.2, 0.4, 0.9], 0.3)  # site 2 has no neighbour


@pytest.mark.parametrize("machine", [MACHINE, TREE, Tempered(TREE, 0.6)], ids=["bits", "a tree of spins", "tempered"])
def test_lists_say_what_the_energy_says(machine: AbstractEnergy) -> None:
    xs = jnp.where(jax.random.bernoulli(KEY, 0.4, (32, *machine.space.shape)), 1.0, 0.0 if isinstance(machine.space, Binary) else -1.0)
    check_neighbours(machine, need(machine, Neighbours, "test"), xs)
    copies, kernel = Copies(machine, 32), GraphGibbs()
    state = kernel.init(copies, xs, key=KEY)
    np.testing.assert_array_equal(kernel.position(state), xs)
    assert abs(float(kernel.energy(copies, state) - copies(xs))) < rounding(np.asarray(copies(xs), np.float64))


class Listed(Around):
    """An energy with lists of our choice."""

    lists: Neighbours

    def views(self) -> tuple[Capability, ...]:
        return (*(v for v in self.energy.views() if not isinstance(v, Neighbours)), self.lists)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda v: Neighbours(v.near, v.weights.at[2, 1].multiply(0.5), v.alone, v.blocks), "against the energy"),
        (lambda v: Neighbours(v.near, v.weights, v.alone + 0.1, v.blocks), "against the energy"),
        (lambda v: Neighbours(v.near, v.weights, v.alone, v.blocks.at[0, 0].set(5)), "every site exactly once"),
        (lambda v: Neighbours(v.near, v.weights, v.alone, jnp.arange(6)[None]), "another one of its block"),
    ],
    ids=["half a weight", "another field", "a site twice", "one block"],
)
def test_wrong_lists_are_found(change, told: str) -> None:
    xs = jax.random.bernoulli(KEY, 0.4, (32, 6)).astype(float)
    with pytest.raises(LawViolation, match=told):
        check_neighbours(MACHINE, change(need(MACHINE, Neighbours, "test")), xs)


class Deaf(GraphGibbs):
    """Does not hear the last neighbour of a list."""

    def step(self, energy, state, *, key):
        view = need(energy, Neighbours, "Deaf")
        lists = Neighbours(view.near, view.weights.at[:, -1].set(0.0), view.alone, view.blocks)
        return GraphGibbs.step(self, Listed(energy, lists), state, key=key)


def test_a_sweep_that_leaves_a_neighbour_out_is_found() -> None:
    """Site 3 has three neighbours: its law, and so that of all, is off by several hundredths."""
    problem = problems.copies(problems.machine(), 3)
    check_exact_start(GraphGibbs(), problem, draws=2**15, key=KEY)
    with pytest.raises(LawViolation):
        check_exact_start(Deaf(), problem, draws=2**15, key=KEY)


@pytest.mark.parametrize(
    ("energy", "kind", "told"),
    [
        (Copies(Ising(4, 0.3), 4), TypeError, "Neighbours"),
        (TREE, ValueError, "give Copies"),
    ],
    ids=["no lists", "one machine"],
)
def test_refusals(energy: AbstractEnergy, kind: type[Exception], told: str) -> None:
    with pytest.raises(kind, match=told):
        sample(GraphGibbs(), energy, chains=2, draws=2, progress=Silent(), key=KEY)


def test_a_sum_has_no_lists() -> None:
    assert capability(Sum(MACHINE, MACHINE), Neighbours) is None

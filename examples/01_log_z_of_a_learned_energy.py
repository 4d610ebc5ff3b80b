"""From an energy nobody has normalised to a number with an error: sample it, then anneal to it, then check."""

import jax
import jax.numpy as jnp

from gibbsite.core import Callable, Geometric, Normal, Reals, schedule
from gibbsite.samplers import MALA, ParallelTempering, sample
from gibbsite.thermo import anneal, quadrature


def tilted_ring(params, x):
    """A ring of radius 2 with a tilt: one mode in x-space, curved, no closed form for log Z."""
    radius = jnp.sqrt(jnp.sum(x**2) + 1e-6)
    return params["stiffness"] * (radius - 2.0) ** 2 + params["tilt"] * x[0]


energy = Callable(tilted_ring, {"stiffness": jnp.asarray(8.0), "tilt": jnp.asarray(0.5)}, Reals((2,)))

kernel = ParallelTempering.over(MALA(step_size=0.05), betas=[0.1, 0.4, 1.0], base=Normal(jnp.zeros(2), 3 * jnp.ones(2)))
print(sample(kernel, energy, chains=32, warmup=300, draws=500, observe={"x0": lambda x: x[0]}, key=jax.random.key(0)))

path = Geometric(Normal(jnp.zeros(2), 2 * jnp.ones(2)), energy)
annealed = anneal(path, MALA(step_size=0.05), walkers=1000, times=schedule(100), key=jax.random.key(1)).log_z
exact = quadrature(energy, low=[-5.0, -5.0], high=[5.0, 5.0])
print(f"log Z by annealing {annealed} ({annealed.evidence.value}), by quadrature {exact} ({exact.evidence.value})")
assert abs(annealed.value - exact.value) < 5.6 * annealed.stderr

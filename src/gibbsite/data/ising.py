"""Spins of the square lattice near its critical point, drawn exactly, with the law they are drawn from and its constant."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from gibbsite.core import AbstractEnergy, AbstractSpace, Capability, Conditionals, Normalised, Sampleable, Spins, as_float, need
from gibbsite.core.energy import Scalar
from gibbsite.data.dataset import Dataset, build
from gibbsite.data.toys import SIZES
from gibbsite.energies import Ising

SIDE, COUPLING = 8, 0.4  # ordered beyond log(1 + sqrt(2)) / 2 = 0.4407


def ising(*, seed: int = 0) -> Dataset:
    """The 8 x 8 Ising torus at coupling J / kT = 0.4, below the critical 0.4407: independent exact draws, log Z = 56.5994 nats.

    Rows are the 64 spins, lattice row by lattice row.
    """
    truth = IsingTorus.at(SIDE, SIDE, COUPLING)
    keys = jax.random.split(jax.random.key(seed), sum(SIZES))
    x = np.asarray(_draws(truth, keys))
    train, validation, test = np.split(x, np.cumsum(SIZES)[:2])
    columns = tuple(f"spin {row},{column}" for row in range(SIDE) for column in range(SIDE))
    note = f"8x8 Ising torus at coupling {COUPLING} (critical: 0.4407), independent exact draws by transfer matrix."
    return build("ising", truth.space, (train, validation, test), truth=truth, columns=columns, image_shape=(SIDE, SIDE), note=note)


@eqx.filter_jit
def _draws(truth: "IsingTorus", keys: Key[Array, " n"]) -> Float[Array, "n s"]:
    return jax.lax.map(lambda key: truth.sample(key=key), keys, batch_size=1000)


class IsingTorus(AbstractEnergy):
    """`U(s) = -K sum_<ij> s_i s_j` of `rows * cols` spins on a torus, given as one axis: normalised, with exact draws.

    The transfer matrix between two lattice rows a, b of `cols` spins (Kramers & Wannier, Phys. Rev. 60, 1941) is

        M(a, b) = exp(K sum_i [a_i b_i + (a_i a_{i+1} + b_i b_{i+1}) / 2]),    Z = tr M^rows,

    so row 1 is drawn from `M^rows(a, a) / Z`, and row k + 1, given row k and row 1, from `M(row k, b) M^(rows - k)(b, row 1)`.
    Make one with `at`: the tables have `4^cols` entries a row.
    """

    lattice: Ising
    log_z: Scalar = eqx.field(converter=as_float)
    log_powers: Float[Array, "powers a b"] = eqx.field(converter=as_float)  # of M: 1 to `rows`, up to one factor for all

    @classmethod
    def at(cls, rows: int, cols: int, coupling: float) -> "IsingTorus":
        """The torus at this coupling, its tables in double precision."""
        if not 3 <= cols <= 10:
            raise ValueError(f"cols={cols}: give 3 to 10 columns, as there are 4^cols numbers in a table.")
        states = _states(cols)
        along = (states * np.roll(states, 1, axis=1)).sum(axis=1) / 2
        step = coupling * (states @ states.T + along[:, None] + along)
        top = step.max()  # factors of exp(-top) keep powers finite
        powers = [np.exp(step - top)]
        for _ in range(rows - 1):
            powers.append(powers[-1] @ powers[0])
        log_z = rows * top + np.log(np.trace(powers[-1]))
        return cls(Ising((rows, cols), as_float(coupling)), as_float(log_z), as_float(np.log(powers)))

    @property
    def space(self) -> AbstractSpace:
        return Spins((self.lattice.space.size,))

    def __call__(self, x: Float[Array, " s"]) -> Scalar:
        return self.lattice(x.reshape(self.lattice.side))

    def views(self) -> tuple[Capability, ...]:
        held = need(self.lattice, Conditionals, "IsingTorus")
        return (
            Normalised(lambda: self.log_z),
            Sampleable(self.sample),
            Conditionals(self._logits, held.blocks.reshape(len(held.blocks), -1)),
        )

    def sample(self, *, key: Key[Array, ""]) -> Float[Array, " s"]:
        """One exact draw, row by row."""
        first, *rest = jax.random.split(key, len(self.log_powers))
        start = jax.random.categorical(first, jnp.diagonal(self.log_powers[-1]))

        def below(row: Array, back_and_key: tuple[Array, Array]) -> tuple[Array, Array]:
            back, key = back_and_key
            following = jax.random.categorical(key, self.log_powers[0][row] + back[:, start])
            return following, following

        _, others = jax.lax.scan(below, start, (self.log_powers[-2::-1], jnp.stack(rest)))
        states = jnp.asarray(_states(self.lattice.side[1]), self.log_powers.dtype)
        return states[jnp.concatenate([start[None], others])].ravel()

    def _logits(self, x: Float[Array, " s"]) -> Float[Array, " s"]:
        return self.lattice.logits(x.reshape(self.lattice.side)).ravel()


def _states(cols: int) -> Float[np.ndarray, "states cols"]:
    """All rows of spins."""
    bits = (np.arange(2**cols)[:, None] >> np.arange(cols)) & 1
    return 2.0 * bits - 1

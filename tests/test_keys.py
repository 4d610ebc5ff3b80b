"""Keys of runs: the bits are JAX's own, only drawn sooner."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from gibbsite.core.keys import chain_keys, step_keys
from gibbsite.core.threefry import written_out

KEY = jax.random.key(5)


@pytest.mark.parametrize("shape", [(), (1,), (7,), (3, 5, 2), (0, 4)])
def test_the_bits_are_those_of_jax(shape: tuple[int, ...]) -> None:
    np.testing.assert_array_equal(jax.random.bits(written_out(KEY), shape), jax.random.bits(KEY, shape))
    np.testing.assert_array_equal(jax.random.uniform(written_out(KEY), shape), jax.random.uniform(KEY, shape))
    np.testing.assert_array_equal(jax.random.bits(written_out(KEY), shape, "uint8"), jax.random.bits(KEY, shape, "uint8"))


def test_keys_of_chains_and_steps_are_those_of_jax() -> None:
    ours = jax.jit(jax.vmap(lambda k: jax.random.bits(k, (4,))))(step_keys(chain_keys(KEY, 3), jnp.asarray(9)))
    theirs = [jax.random.bits(jax.random.fold_in(jax.random.fold_in(KEY, chain), 9), (4,)) for chain in range(3)]
    np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(*(jax.random.key_data(jax.random.split(k, 4)) for k in (written_out(KEY), KEY)))


def test_another_generator_is_left_alone() -> None:
    other = jax.random.key(5, impl="rbg")
    assert written_out(other) is other and written_out(written_out(KEY)).dtype == written_out(KEY).dtype

"""Keys of runs: the bits are JAX's own, only drawn sooner."""

import pathlib
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array, Key

import gibbsite
from gibbsite.core import keys
from gibbsite.core.keys import chain_keys, key_of, step_keys
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


@pytest.mark.parametrize("partitionable", ["on", "off"])
@pytest.mark.parametrize("shape", [1, 4, (2, 3)])
@pytest.mark.parametrize("number", [0, 7, 2**31 - 1, -3])
def test_keys_made_of_keys_are_those_of_jax(shape: int | tuple[int, ...], number: int, partitionable: str) -> None:
    """By both of JAX's ways to count."""

    def made(key: Key[Array, ""]) -> np.ndarray:
        return np.asarray(jax.random.key_data(jax.random.split(jax.random.fold_in(key, jnp.asarray(number)), shape)))

    with jax.threefry_partitionable(partitionable == "on"):
        np.testing.assert_array_equal(made(written_out(KEY)), made(KEY))


def test_another_generator_is_left_alone() -> None:
    other = jax.random.key(5, impl="rbg")
    assert written_out(other) is other and written_out(written_out(KEY)).dtype == written_out(KEY).dtype


def test_numbers_of_keys_differ_and_stand_in_one_place() -> None:
    taken = [number for name, number in vars(keys).items() if name.isupper()]
    assert len(taken) > 10 and len(set(taken)) == len(taken)
    for file in pathlib.Path(gibbsite.__file__).parent.rglob("*.py"):
        assert file.name == "keys.py" or not re.search(r"2 ?\*\* ?31 -", file.read_text()), file


def test_a_seed_is_a_whole_number() -> None:
    assert key_of(3) == jax.random.key(3)
    for seed in (-1, 2**31, 1.5, True, "3"):
        with pytest.raises(ValueError, match=f"seed={seed}: give a whole number from 0 to 2147483647"):
            key_of(seed)

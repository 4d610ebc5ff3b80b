"""The laws of energies: a scalar with a gradient, and capabilities that agree with it."""

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, PyTree

from gibbsite.core import (
    AbstractEnergy,
    AbstractPath,
    AbstractSpace,
    ArrayLike,
    Binary,
    Box,
    Coins,
    Conditionals,
    Independent,
    Latent,
    Normal,
    Normalised,
    Product,
    Reals,
    Sampleable,
    Spins,
    Sum,
    Tempered,
    Uniform,
    as_float,
    capability,
    draw,
    need,
    reference,
    two_valued,
    values,
)
from gibbsite.energies import Rescaled
from gibbsite.testing.law import LawViolation, bounded, chi_square, z_test
from gibbsite.thermo import enumerate_log_z, quadrature

EPS = float(np.finfo(np.float32).eps)
CENTRES = 8  # laws q against which draws are weighed
MOST_STATES = 2**10  # spaces up to here are compared state by state
SUMMABLE = 20  # sites up to which log_z is enumerated
WIDE = 8.0  # far points, in widths of the reference law: chains that stray must find their way back


def check_energy(
    energy: AbstractEnergy, *, points: int = 32, draws: int = 2**15, box: tuple[float, float] = (-16.0, 16.0), key: Key[Array, ""]
) -> None:
    """Every law of an energy, on the energy and on its `Tempered`, `Sum` and `Rescaled` forms.

    `box` must hold the law of a `Normalised` energy on one or two real axes, for quadrature.

    Raises:
        LawViolation: names the energy, the law, the measured value and its bound.
    """
    check_part(energy, points=points, draws=draws, box=box, key=key)
    check_forwarding(energy, points=points, draws=draws, key=key)


def check_part(
    energy: AbstractEnergy, *, points: int = 32, draws: int = 2**15, box: tuple[float, float] = (-16.0, 16.0), key: Key[Array, ""]
) -> None:
    """The laws of `check_energy` on the energy alone."""
    start, slope, rest = jax.random.split(key, 3)
    xs = _draws(reference(energy.space), points, key=start)
    check_value(energy, xs)
    if isinstance(energy.space, Reals):
        check_far(energy, WIDE * xs)
    check_gradient(energy, xs, key=slope)
    if (view := capability(energy, Conditionals)) is not None:
        check_conditionals(energy, view, xs)
    if (latent := capability(energy, Latent)) is not None:
        check_latent(energy, latent, xs, draws, key=rest)
        if latent.path is not None:
            check_path(energy, latent.path(jnp.full(energy.space.shape, 0.4)), xs)
    if capability(energy, Normalised) is not None:
        check_log_z(energy, box)
    if capability(energy, Sampleable) is not None:
        check_draws(energy, draws, key=rest)


def _name(energy: AbstractEnergy) -> str:
    inner = getattr(energy, "energy", None)
    return f"{type(energy).__name__}({_name(inner)})" if isinstance(inner, AbstractEnergy) else type(energy).__name__


def _draws(energy: AbstractEnergy, n: int, *, key: Key[Array, ""]) -> PyTree:
    return jax.jit(jax.vmap(lambda k: draw(energy, key=k)))(jax.random.split(key, n))


def _rounding(energies: ArrayLike) -> np.ndarray:
    """What float32 may lose: 64 units in the last place of an energy of this size."""
    return np.asarray(64 * EPS * np.maximum(1.0, np.abs(np.asarray(energies, np.float64))))


def check_value(energy: AbstractEnergy, xs: PyTree) -> None:
    """One configuration in, one finite float out."""
    out = jax.eval_shape(energy, jax.tree.map(lambda a: a[0], xs))
    if getattr(out, "shape", None) != () or not jnp.issubdtype(out.dtype, jnp.floating):
        raise LawViolation(f"{_name(energy)}: an energy returns one float scalar for one x; this returns {out}.")
    energies = np.asarray(jax.vmap(energy)(xs))
    if not np.all(np.isfinite(energies)):
        raise LawViolation(f"{_name(energy)}: {np.sum(~np.isfinite(energies))} of {len(energies)} energies on the support are not finite.")


def check_far(energy: AbstractEnergy, xs: Array) -> None:
    """Far out an energy is a number or +inf: NaN and -inf would be taken for a reason to stay, or to go."""
    energies = np.asarray(jax.vmap(energy)(xs))
    lost = np.isnan(energies) | (energies == -np.inf)
    if lost.any():
        nearest = np.min(np.max(np.abs(np.asarray(xs)[lost]).reshape(lost.sum(), -1), axis=1))
        raise LawViolation(
            f"{_name(energy)}: {lost.sum()} of {lost.size} energies at far points (from |x| = {nearest:.3g} on) are NaN or -inf; "
            "the bound is none: return a number, or +inf."
        )


def check_gradient(energy: AbstractEnergy, xs: PyTree, *, key: Key[Array, ""]) -> None:
    """The slope along a random direction against central differences of steps e and 2e.

    Bound: the two differ by three times the truncation error of the first, so their distance covers it; rounding of
    energies adds `64 ulp / e`.
    """
    unravel = jax.flatten_util.ravel_pytree(jax.tree.map(lambda a: a[0], xs))[1]
    rows = jax.vmap(lambda x: jax.flatten_util.ravel_pytree(x)[0])(xs)
    ways = jax.random.normal(key, rows.shape)
    ways = ways / jnp.linalg.norm(ways, axis=1, keepdims=True)
    step = 2.0**-6 * jnp.ones(())

    def slopes(x: Array, u: Array) -> tuple[Array, Array, Array, Array]:
        at = jax.vmap(lambda h: energy(unravel(x + h * u)))(step * jnp.array([-2.0, -1.0, 1.0, 2.0]))
        exact = jax.grad(lambda y: energy(unravel(y)))(x) @ u
        return exact, (at[2] - at[1]) / (2 * step), (at[3] - at[0]) / (4 * step), jnp.max(jnp.abs(at))

    exact, near, far, size = (np.asarray(a, np.float64) for a in jax.jit(jax.vmap(slopes))(rows, ways))
    bounded(_name(energy), "gradient against differences", exact - near, np.abs(near - far) + _rounding(size) / float(step))


def check_conditionals(energy: AbstractEnergy, view: Conditionals, xs: Array) -> None:
    """`logits = U(low) - U(high)` at every site; blocks share out the sites; within a block no site feels another."""
    name, (low, high) = _name(energy), values(energy.space)
    blocks = np.asarray(view.blocks)
    if not (np.all((blocks == 0) | (blocks == 1)) and np.all(blocks.sum(axis=0) == 1)):
        raise LawViolation(f"{name}: blocks of the conditionals must hold every site exactly once.")
    sites = jnp.eye(energy.space.size).reshape(-1, *energy.space.shape)

    def one(x: Array) -> tuple[Array, Array, Array, Array]:
        pair = jax.vmap(lambda s: jnp.stack([energy(jnp.where(s > 0, v, x)) for v in (low, high)]))(sites)
        logits = view.logits(x)
        flipped = jax.vmap(lambda s: view.logits(jnp.where(s > 0, low + high - x, x)))(sites)
        mates = jnp.einsum("b...,bs->s...", view.blocks, view.blocks.reshape(len(blocks), -1)) - sites
        return logits.ravel(), pair[:, 0] - pair[:, 1], jnp.max(jnp.abs(mates * (flipped - logits))), jnp.max(jnp.abs(pair))

    logits, truth, felt, size = (np.asarray(a, np.float64) for a in jax.jit(jax.vmap(one))(xs))
    bounded(name, "conditional logits against U(low) - U(high)", logits - truth, _rounding(size)[:, None])
    bounded(name, "logits of a block under flips of its other sites", felt, _rounding(size))


def _states(space: AbstractSpace) -> Float[Array, "n *x"]:
    low, high = values(space)
    bits = (np.arange(2**space.size)[:, None] >> np.arange(space.size)) & 1
    return jnp.asarray(low + (high - low) * bits, jnp.float32).reshape(-1, *space.shape)


def _small(space: AbstractSpace) -> bool:
    return two_valued(space) and 2**space.size <= MOST_STATES


def _follow(name: str, law: str, energy: AbstractEnergy, xs: PyTree) -> None:
    """Rows must follow exp(-energy): state by state, or, on reals, E[dU/dx_i] = 0 and E[x_i dU/dx_j] = delta_ij."""
    space = energy.space
    if _small(space):
        low, high = values(space)
        number = (np.asarray(xs).reshape(len(xs), -1) > (low + high) / 2) @ 2 ** np.arange(space.size)
        log_weight = -np.asarray(jax.vmap(energy)(_states(space)), np.float64)
        weight = np.exp(log_weight - log_weight.max())
        chi_square(name, law, np.bincount(number, minlength=len(weight)), weight / weight.sum())
    elif isinstance(space, Reals):
        slope = np.asarray(jax.jit(jax.vmap(jax.grad(energy)))(xs)).reshape(len(xs), -1)
        flat = np.asarray(xs).reshape(len(xs), -1)
        z_test(name, f"{law}: mean force", slope)
        z_test(name, f"{law}: virial", flat[:, :, None] * slope[:, None, :], np.eye(flat.shape[1]))


def _hidden(view: Latent) -> AbstractSpace:
    space = view.joint.space
    if not isinstance(space, Product):
        raise LawViolation(
            f"{_name(view.joint)}: a joint energy lives on the Product of visible and hidden units, not on {type(space).__name__}."
        )
    return space.parts[1]


def check_latent(energy: AbstractEnergy, view: Latent, xs: Array, draws: int, *, key: Key[Array, ""]) -> None:
    """Hidden units summed out of the joint give the energy; both conditionals are those of the joint."""
    name, hidden_space = _name(energy), _hidden(view)
    keys = jax.random.split(key, draws)
    x = xs[0]
    hidden = jax.jit(jax.vmap(lambda k: view.sample_hidden(x, key=k)))(keys)
    if _small(hidden_space):
        states = _states(hidden_space)
        joint = jax.vmap(lambda v: jax.nn.logsumexp(-jax.vmap(lambda h: view.joint((v, h)))(states)))(xs)
        truth = jax.vmap(energy)(xs)
        bounded(name, "joint energy summed over hidden units", np.asarray(truth + joint), _rounding(truth))
        _follow(name, "hidden draws", _Slice(view.joint, hidden_space, x, 1), hidden)
    h = hidden[0]
    visible = jax.jit(jax.vmap(lambda k: view.sample_visible(h, key=k)))(keys)
    _supported(name, energy.space, visible)
    _follow(name, "visible draws", _Slice(view.joint, energy.space, h, 0), visible)


def check_path(energy: AbstractEnergy, path: AbstractPath, xs: PyTree) -> None:
    """The path starts at its base, ends at the energy, keeps the hidden units, and its work is the difference of energies."""
    name, ends = _name(energy), {t: path(as_float(t)) for t in (0.0, 0.25, 0.75, 1.0)}
    if lost := [t for t, point in ends.items() if capability(point, Latent) is None]:
        raise LawViolation(f"{name}: hidden units are lost on the path, at t = {lost[0]}.")
    u = {t: np.asarray(jax.vmap(point)(xs), np.float64) for t, point in ends.items()}
    if path.base is not None:
        bounded(name, "path's base against its start", np.asarray(jax.vmap(path.base)(xs)) - u[0.0], _rounding(u[0.0]))
    truth = np.asarray(jax.vmap(energy)(xs))
    bounded(name, "path's end against the energy", u[1.0] - truth, _rounding(truth))
    for start, stop in ((0.0, 1.0), (0.25, 0.75)):
        work = jax.vmap(lambda x, a=start, b=stop: path.work(as_float(a), as_float(b), x))(xs)
        size = np.maximum(np.abs(u[start]), np.abs(u[stop]))
        bounded(name, "path's work against the difference of energies", np.asarray(work) - (u[stop] - u[start]), _rounding(size))


class _Slice(AbstractEnergy):
    """A joint energy as a function of one of its parts."""

    joint: AbstractEnergy
    space: AbstractSpace
    other: Array
    axis: int

    def __call__(self, x: Array) -> Array:
        return self.joint((x, self.other) if self.axis == 0 else (self.other, x))


def check_log_z(energy: AbstractEnergy, box: tuple[float, float]) -> None:
    """`log_z` against enumeration (up to 2^20 states) or quadrature (up to two real axes)."""
    space = energy.space
    found = float(need(energy, Normalised, "check_energy").log_z())
    if two_valued(space) and space.size <= SUMMABLE:
        truth = enumerate_log_z(energy)
    elif isinstance(space, Reals | Box) and 1 <= space.size <= 2:
        truth = quadrature(energy) if isinstance(space, Box) else quadrature(energy, low=box[0], high=box[1])
    else:
        return
    if truth.value is None:
        raise LawViolation(f"{_name(energy)}: log_z cannot be summed: {truth.status.value}.")
    bounded(
        _name(energy), f"log_z {found:.7g} against {truth}", found - truth.value, 3 * truth.stderr + _rounding(np.asarray(found)) + 1e-5
    )


def _supported(name: str, space: AbstractSpace, xs: PyTree) -> None:
    inside = np.asarray(jax.vmap(space.contains)(xs))
    if not inside.all():
        raise LawViolation(f"{name}: {np.sum(~inside)} of {inside.size} draws lie outside the support of {type(space).__name__}.")


def check_draws(energy: AbstractEnergy, draws: int, *, key: Key[Array, ""]) -> None:
    """Draws lie in the support, follow `exp(-U)`, and average `q(x) / p(x)` to one for narrow normalised q about some of them."""
    name, xs = _name(energy), _draws(energy, draws, key=key)
    _supported(name, energy.space, xs)
    _follow(name, "draws", energy, xs)
    view = capability(energy, Normalised)
    if view is None:
        return
    half = jax.tree.map(lambda a: a[: draws // 2], xs)
    rows = jax.tree.map(lambda a: a[draws // 2 :], xs)  # not those that q was fitted to
    log_z = view.log_z()

    def ratios(centre: PyTree) -> Array:
        other = _local(energy.space, half, centre)
        shift = log_z - need(other, Normalised, "check_draws").log_z()
        return jax.vmap(lambda x: jnp.exp(energy(x) - other(x) + shift))(rows)

    centres = jax.tree.map(lambda a: a[:CENTRES], half)
    z_test(name, "mean of q / p over draws of p", np.asarray(jax.jit(jax.vmap(ratios))(centres)).T, 1.0)


def _local(space: AbstractSpace, xs: PyTree, centre: PyTree) -> AbstractEnergy:
    """A normalised law about one draw, narrower than the draws: several of them see each mode's mass apart."""
    if isinstance(space, Product):
        return Independent(tuple(_local(*part) for part in zip(space.parts, xs, centre, strict=True)))
    if isinstance(space, Box):
        return Uniform(space)
    if not isinstance(space, Spins | Binary):
        return Normal(centre, 0.35 * jnp.std(xs, axis=0))
    low, high = values(space)
    up = jnp.clip((0.5 * (jnp.mean(xs, axis=0) + centre) - low) / (high - low), 0.02, 0.98)
    return Coins(space, (jnp.log(up) - jnp.log1p(-up)) / (high - low))


def check_forwarding(energy: AbstractEnergy, *, points: int = 32, draws: int = 2**15, key: Key[Array, ""]) -> None:
    """`Tempered`, `Sum` and `Rescaled` have the values that their formulas say and keep the capabilities that survive."""
    start, rest = jax.random.split(key)
    xs = _draws(reference(energy.space), points, key=start)
    base, truth = reference(energy.space), jax.vmap(energy)(xs)
    forms = [(Tempered(energy, as_float(0.7)), 0.7 * truth, xs), (Sum(energy, base), truth + jax.vmap(base)(xs), xs)]
    if isinstance(energy.space, Reals):
        scaled = Rescaled(energy, jnp.full(energy.space.shape, 0.25), jnp.full(energy.space.shape, 2.0))
        forms.append((scaled, truth + energy.space.size * np.log(2.0), 0.25 + 2 * xs))
    for form, expected, at in forms:
        bounded(_name(form), "value against its formula", np.asarray(jax.vmap(form)(at) - expected), _rounding(expected))
        if capability(energy, Conditionals) is not None:
            if (kept := capability(form, Conditionals)) is None:
                raise LawViolation(f"{_name(form)}: the conditionals of {_name(energy)} are lost.")
            check_conditionals(form, kept, xs)
    if isinstance(energy.space, Reals):
        _check_rescaled(energy, scaled, at, draws, key=rest)


def _check_rescaled(energy: AbstractEnergy, form: AbstractEnergy, xs: Array, draws: int, *, key: Key[Array, ""]) -> None:
    missing = {k.__name__ for k in (Normalised, Sampleable, Latent) if capability(energy, k) is not None and capability(form, k) is None}
    if missing:
        raise LawViolation(f"{_name(form)}: lost {', '.join(sorted(missing))} of {_name(energy)}.")
    if (view := capability(form, Normalised)) is not None:
        shift = view.log_z() - need(energy, Normalised, "check_energy").log_z()
        bounded(_name(form), "log_z against that in standard units", np.asarray(shift), _rounding(view.log_z()))
    if capability(form, Sampleable) is not None:
        check_draws(form, draws, key=key)
    if (latent := capability(form, Latent)) is not None:
        check_latent(form, latent, xs, draws, key=key)

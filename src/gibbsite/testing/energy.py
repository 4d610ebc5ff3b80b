"""The laws of energies: a scalar with a gradient, and capabilities that agree with it."""

from itertools import pairwise

import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key, PyTree

from gibbsite.core import (
    AbstractEnergy,
    AbstractSpace,
    Box,
    Categorical,
    Coins,
    Dice,
    Independent,
    Latent,
    Marginal,
    Normal,
    Normalised,
    Product,
    Pushforward,
    Reals,
    Sampleable,
    Sum,
    Tempered,
    Torus,
    Uniform,
    as_float,
    capability,
    draw,
    need,
    offers,
    reference,
    two_valued,
    values,
)
from gibbsite.core.reference import ends
from gibbsite.energies import Rescaled
from gibbsite.testing.law import LawViolation, bounded, chi_square, energies_of, name_of, rounding, z_test
from gibbsite.testing.problems import few_states, numbers, states
from gibbsite.testing.sites import ADDED, SITES, check_sites
from gibbsite.testing.views import check_views
from gibbsite.thermo import enumerate_log_z, quadrature

MANY = 2**15  # draws at once
CENTRES = 8  # laws q against which draws are weighed
SLOPES = 2**10  # slopes that tell how wide these are
MOST_STATES = 2**10  # spaces up to here are compared state by state
SUMMABLE = 2**20  # states up to which log_z is enumerated
WIDTHS = (1.0, 4.0, 16.0, 64.0)  # far points, in widths of the reference law: where wide starts and bad steps lead
TIMES = (0.0, 0.3, 1.0)  # of a path; not symmetric, so that one run backward shows


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
    xs = _points(energy, points, key=start)
    check_value(energy, xs)
    check_far(energy, _draws(reference(energy.space), points, key=start))
    check_gradient(energy, xs, key=slope)
    check_sites(energy, xs)
    if (latent := capability(energy, Latent)) is not None:
        check_latent(energy, latent, xs, draws, key=rest)
        if latent.path is not None:
            check_path(energy, latent, xs, draws, box, key=rest)
    check_views(energy, xs, key=slope)
    if (marginal := capability(energy, Marginal)) is not None:
        check_part(marginal.guess(jax.tree.map(lambda a: a[0], xs[0])), points=points, draws=draws, box=box, key=rest)
    if offers(energy, Normalised):
        check_log_z(energy, box)
    if offers(energy, Sampleable):
        check_draws(energy, draws, key=rest)


def _draws(energy: AbstractEnergy, n: int, *, key: Key[Array, ""]) -> PyTree:
    """n draws, of at least `MANY`: all laws of an energy share one program, which takes longer to compile than to run."""
    return jax.tree.map(lambda a: a[:n], _drawn(energy, jax.random.split(key, max(n, MANY))))


@eqx.filter_jit
def _drawn(energy: AbstractEnergy, keys: Key[Array, " n"]) -> PyTree:
    return jax.vmap(lambda k: draw(energy, key=k))(keys)


def _points(energy: AbstractEnergy, n: int, *, key: Key[Array, ""]) -> PyTree:
    """Where the energy must be finite: its own draws, or those of the reference law where it has none."""
    return _draws(energy if offers(energy, Sampleable) else reference(energy.space), n, key=key)


def check_value(energy: AbstractEnergy, xs: PyTree) -> None:
    """One configuration in, one finite float out."""
    out = jax.eval_shape(energy, jax.tree.map(lambda a: a[0], xs))
    if getattr(out, "shape", None) != () or not jnp.issubdtype(out.dtype, jnp.floating):
        raise LawViolation(f"{name_of(energy)}: an energy returns one float scalar for one x; this returns {out}.")
    energies = np.asarray(energies_of(energy, xs))
    if not np.all(np.isfinite(energies)):
        raise LawViolation(
            f"{name_of(energy)}: {np.sum(~np.isfinite(energies))} of {len(energies)} energies on the support are not finite."
        )


def check_far(energy: AbstractEnergy, xs: PyTree) -> None:
    """At `xs`, stretched on the reals up to 64 times, the energy is a number or +inf, and its slope is a number where it is finite.

    NaN and -inf would be taken for a reason to stay there, or to go.
    """
    far = [_stretched(energy.space, xs, width) for width in WIDTHS]
    at = jax.tree.map(lambda *parts: jnp.concatenate(parts), *far)
    energies, slopes = jax.tree.map(np.asarray, jax.jit(jax.vmap(jax.value_and_grad(energy)))(at))
    lost = np.isnan(energies) | (energies == -np.inf)
    blind = np.any([np.isnan(a).reshape(len(a), -1).any(axis=1) for a in jax.tree.leaves(slopes)], axis=0) & np.isfinite(energies)
    for what, bad in (("energies at far points are NaN or -inf: return a number, or +inf", lost), ("slopes at far points are NaN", blind)):
        if bad.any():
            raise LawViolation(f"{name_of(energy)}: {bad.sum()} of {bad.size} {what}.")


def _stretched(space: AbstractSpace, xs: PyTree, width: float) -> PyTree:
    if isinstance(space, Product):
        return tuple(_stretched(part, x, width) for part, x in zip(space.parts, xs, strict=True))
    return width * xs if isinstance(space, Reals) else xs


def check_gradient(energy: AbstractEnergy, xs: PyTree, *, key: Key[Array, ""]) -> None:
    """The slope along a random direction against central differences of steps e and 2e.

    Bound: the two differ by three times the truncation error of the first, so their distance covers it; rounding of
    energies adds `64 ulp / e`. Points within 2e of a wall are passed over: the energy is +inf behind it.
    """
    unravel = jax.flatten_util.ravel_pytree(jax.tree.map(lambda a: a[0], xs))[1]
    rows = jax.vmap(lambda x: jax.flatten_util.ravel_pytree(x)[0])(xs)
    ways = jax.random.normal(key, rows.shape)
    ways = ways / jnp.linalg.norm(ways, axis=1, keepdims=True)
    step = 2.0**-6

    def slopes(x: Array, u: Array) -> tuple[Array, Array]:
        at = jax.vmap(lambda h: energy(unravel(x + h * u)))(step * jnp.array([-2.0, -1.0, 1.0, 2.0]))
        return jax.grad(lambda y: energy(unravel(y)))(x) @ u, at

    exact, at = (np.asarray(a, np.float64) for a in jax.jit(jax.vmap(slopes))(rows, ways))
    exact, at = (a[~np.isposinf(at).any(axis=1)] for a in (exact, at))
    near, far = (at[:, 2] - at[:, 1]) / (2 * step), (at[:, 3] - at[:, 0]) / (4 * step)
    bound = np.abs(near - far) + np.max(rounding(at), axis=1) / step
    bounded(name_of(energy), "gradient against differences", exact - near, bound)


def _small(space: AbstractSpace) -> bool:
    return few_states(space, MOST_STATES)


def _follow(name: str, law: str, energy: AbstractEnergy, xs: PyTree) -> None:
    """Rows must follow exp(-energy): state by state, or, on reals, E[dU/dx_i] = 0 and E[x_i dU/dx_j] = delta_ij."""
    space = energy.space
    if _small(space):
        log_weight = -np.asarray(energies_of(energy, states(space)), np.float64)
        weight = np.exp(log_weight - log_weight.max())
        chi_square(name, law, np.bincount(numbers(space, xs), minlength=len(weight)), weight / weight.sum())
    elif isinstance(space, Reals):
        slope = np.asarray(jax.jit(jax.vmap(jax.grad(energy)))(xs)).reshape(len(xs), -1)
        flat = np.asarray(xs).reshape(len(xs), -1)
        z_test(name, f"{law}: mean force", slope)
        z_test(name, f"{law}: virial", flat[:, :, None] * slope[:, None, :], np.eye(flat.shape[1]))


def _hidden(view: Latent) -> AbstractSpace:
    space = view.joint.space
    if not isinstance(space, Product):
        raise LawViolation(
            f"{name_of(view.joint)}: a joint energy lives on the Product of visible and hidden units, not on {type(space).__name__}."
        )
    return space.parts[1]


def check_latent(energy: AbstractEnergy, view: Latent, xs: Array, draws: int, *, key: Key[Array, ""]) -> None:
    """Hidden units summed out of the joint give the energy; both conditionals are those of the joint."""
    name, hidden_space = name_of(energy), _hidden(view)
    keys = jax.random.split(key, draws)
    x = xs[0]
    hidden = jax.jit(jax.vmap(lambda k: view.sample_hidden(x, key=k)))(keys)
    check_marginal(energy, view, xs)
    if _small(hidden_space):
        _follow(name, "hidden draws", _Slice(view.joint, hidden_space, x, 1), hidden)
    h = hidden[0]
    visible = jax.jit(jax.vmap(lambda k: view.sample_visible(h, key=k)))(keys)
    _supported(name, energy.space, visible)
    _follow(name, "visible draws", _Slice(view.joint, energy.space, h, 0), visible)


def check_marginal(energy: AbstractEnergy, view: Latent, xs: Array) -> None:
    """The joint energy summed over the hidden units is the energy, where they are few enough to count."""
    if not _small(_hidden(view)):
        return
    hidden = states(_hidden(view))
    joint = jax.jit(jax.vmap(lambda v: jax.nn.logsumexp(-jax.vmap(lambda h: view.joint((v, h)))(hidden))))(xs)
    truth = energies_of(energy, xs)
    bounded(name_of(energy), "joint energy summed over hidden units", np.asarray(truth + joint), rounding(truth))


def check_path(energy: AbstractEnergy, view: Latent, xs: Array, draws: int, box: tuple[float, float], *, key: Key[Array, ""]) -> None:
    """`path(field)` starts at independent units with biases `field`, ends at the energy, keeps the hidden units and tells its work.

    Constants count at both ends: annealing adds its free energy difference to the `log_z` of the base.
    """
    assert view.path is not None
    name, field, times = f"path of {name_of(energy)}", 0.5 * jax.random.normal(key, energy.space.shape), as_float(TIMES)
    path = view.path(field)
    middle = capability(path(times[1]), Latent)
    if middle is None or path.base is None:
        raise LawViolation(f"{name}: hidden units are lost on the way, or the base is not named; annealing and block Gibbs need both.")
    alone = _alone(energy.space, field, path.base)

    def one(x: Array) -> tuple[dict[str, Array], Array]:
        start, mid, end = (path(t)(x) for t in times)
        early, late = (path.work(t0, t1, x) for t0, t1 in pairwise(times))
        gaps = {"base against its start": path.base(x) - start, "end against the energy": end - energy(x)}
        works = {"work of the first part": early - (mid - start), "work of the last part": late - (end - mid)}
        return gaps | works | {"base": path.base(x) - alone(x)}, jnp.max(jnp.abs(jnp.stack([start, mid, end])))

    gaps, size = jax.jit(jax.vmap(one))(xs)
    units = gaps.pop("base")
    for law, gap in {**gaps, "base against units alone": units - jnp.mean(units)}.items():
        bounded(name, law, gap, rounding(size))
    check_marginal(path(times[1]), middle, xs)
    check_log_z(path.base, box)
    check_draws(path.base, draws, key=key)


def _alone(space: AbstractSpace, field: Array, base: AbstractEnergy) -> AbstractEnergy:
    """Units that do not see each other: coins with biases `field`, or Gaussians about it, as wide as those of the base."""
    if two_valued(space):
        return Coins(space, field)
    curvature = jax.jvp(jax.grad(base), (field,), (jnp.ones_like(field),))[1]
    return Normal(field, 1 / jnp.sqrt(curvature))


class _Slice(AbstractEnergy):
    """A joint energy as a function of one of its parts."""

    joint: AbstractEnergy
    space: AbstractSpace
    other: Array
    axis: int

    def __call__(self, x: Array) -> Array:
        return self.joint((x, self.other) if self.axis == 0 else (self.other, x))


def check_log_z(energy: AbstractEnergy, box: tuple[float, float]) -> None:
    """`log_z` against enumeration (up to 2^20 states) or quadrature (up to two axes)."""
    space = energy.space
    found = float(need(energy, Normalised, "check_energy").log_z())
    if few_states(space, SUMMABLE):
        truth = enumerate_log_z(energy)
    elif isinstance(space, Reals | Box | Torus) and 1 <= space.size <= 2:
        truth = quadrature(energy, low=box[0], high=box[1]) if isinstance(space, Reals) else quadrature(energy)
    else:
        return
    if truth.value is None:
        raise LawViolation(f"{name_of(energy)}: log_z cannot be summed: {truth.status.value}.")
    bounded(
        name_of(energy), f"log_z {found:.7g} against {truth}", found - truth.value, 3 * truth.stderr + rounding(np.asarray(found)) + 1e-5
    )


def _supported(name: str, space: AbstractSpace, xs: PyTree) -> None:
    inside = np.asarray(jax.jit(jax.vmap(space.contains))(xs))
    if not inside.all():
        raise LawViolation(f"{name}: {np.sum(~inside)} of {inside.size} draws lie outside the support of {type(space).__name__}.")


def check_draws(energy: AbstractEnergy, draws: int, *, key: Key[Array, ""]) -> None:
    """Draws lie in the support, follow `exp(-U)`, and average `q(x) / p(x)` to one for narrow normalised q about some of them.

    In a box, where p may have walls inside, the average is q's mass between them.
    """
    name, xs = name_of(energy), _draws(energy, draws, key=key)
    _supported(name, energy.space, xs)
    _follow(name, "draws", energy, xs)
    view = capability(energy, Normalised)
    if view is None:
        return
    half = jax.tree.map(lambda a: a[: draws // 2], xs)
    rows = jax.tree.map(lambda a: a[draws // 2 :], xs)  # not those that q was fitted to
    slopes = jax.jit(jax.vmap(jax.grad(energy)))(jax.tree.map(lambda a: a[:SLOPES], half))
    log_z, keys = view.log_z(), jax.random.split(key, draws - draws // 2)
    walls = isinstance(energy.space, Box | Torus)

    def terms(centre: PyTree) -> Array:
        other = _local(energy.space, half, slopes, centre)
        shift = log_z - need(other, Normalised, "check_draws").log_z()

        def one(x: PyTree, key: Key[Array, ""]) -> Array:
            ratio = jnp.where(other.space.contains(x), jnp.exp(energy(x) - other(x) + shift), 0.0)
            return ratio - (jnp.isfinite(energy(draw(other, key=key))) if walls else 1.0)

        return jax.vmap(one)(rows, keys)

    centres = jax.tree.map(lambda a: a[:CENTRES], half)
    z_test(name, "mean of q / p over draws of p, less the mass of q", np.asarray(jax.jit(jax.vmap(terms))(centres)).T)


def _local(space: AbstractSpace, xs: PyTree, slopes: PyTree, centre: PyTree) -> AbstractEnergy:
    """A normalised law about one draw, narrower than the draws: several of them see each mode's mass apart.

    On the reals it goes by `1 / sqrt E[(dU/dx)^2]`, which is at most the standard deviation (Cramér-Rao), and, of modes far
    apart, the width of one: a wider q would weigh the empty ground between them.
    """
    if isinstance(space, Product):
        return Independent(tuple(_local(*part) for part in zip(space.parts, xs, slopes, centre, strict=True)))
    if isinstance(space, Box | Torus):
        reach, (low, high) = 0.5 * jnp.std(xs, axis=0), ends(space)
        return Uniform(Box(jnp.maximum(low, centre - reach), jnp.minimum(high, centre + reach)))
    if isinstance(space, Categorical):
        seen = jnp.asarray([xs == level for level in space.levels]).mean(axis=1)
        share = seen + jnp.asarray([centre == level for level in space.levels]) + 0.04
        return Dice(space, jnp.moveaxis(jnp.log(share), 0, -1))
    if not two_valued(space):
        return Normal(centre, 0.35 / jnp.sqrt(jnp.mean(slopes**2, axis=0)))
    down, up = values(space)
    share = jnp.clip((0.5 * (jnp.mean(xs, axis=0) + centre) - down) / (up - down), 0.02, 0.98)
    return Coins(space, (jnp.log(share) - jnp.log1p(-share)) / (up - down))


def check_forwarding(energy: AbstractEnergy, *, points: int = 32, draws: int = 2**15, key: Key[Array, ""]) -> None:
    """`Tempered`, `Sum` and `Rescaled` have the values that their formulas say and keep the capabilities that survive."""
    start, rest = jax.random.split(key)
    xs = _points(energy, points, key=start)
    base, truth = reference(energy.space), energies_of(energy, xs)
    forms = [(Tempered(energy, as_float(0.7)), 0.7 * truth, xs), (Sum(energy, base), truth + energies_of(base, xs), xs)]
    if isinstance(energy.space, Reals):
        scaled = Rescaled(energy, jnp.full(energy.space.shape, 0.25), jnp.full(energy.space.shape, 2.0))
        forms.append((scaled, truth + energy.space.size * np.log(2.0), 0.25 + 2 * xs))
    for form, expected, at in forms:
        bounded(name_of(form), "value against its formula", np.asarray(energies_of(form, at) - expected), rounding(expected))
        if isinstance(form, Tempered) and offers(energy, Marginal) and not offers(form, Marginal):
            raise LawViolation(f"{name_of(form)}: the guess of hidden variables of {name_of(energy)} is lost.")
        if isinstance(form, Tempered | Sum):
            kept = SITES if isinstance(form, Tempered) else ADDED
            lost = [view.__name__ for view in kept if offers(energy, view) and not offers(form, view)]
            if lost:
                raise LawViolation(f"{name_of(form)}: {', '.join(lost)} of {name_of(energy)} are lost.")
            check_sites(form, xs)
            check_views(form, xs, key=rest)
    if isinstance(energy.space, Reals):
        _check_rescaled(energy, scaled, at, draws, key=rest)


def _check_rescaled(energy: AbstractEnergy, form: AbstractEnergy, xs: Array, draws: int, *, key: Key[Array, ""]) -> None:
    missing = {k.__name__ for k in (Normalised, Sampleable, Latent, Pushforward) if offers(energy, k) and not offers(form, k)}
    if missing:
        raise LawViolation(f"{name_of(form)}: lost {', '.join(sorted(missing))} of {name_of(energy)}.")
    if (view := capability(form, Normalised)) is not None:
        shift = view.log_z() - need(energy, Normalised, "check_energy").log_z()
        bounded(name_of(form), "log_z against that in standard units", np.asarray(shift), rounding(view.log_z()))
    if offers(form, Sampleable):
        check_draws(form, draws, key=key)
    check_views(form, xs, key=key)
    if (latent := capability(form, Latent)) is not None:
        check_latent(form, latent, xs, draws, key=key)

"""Models: draws follow the density that is claimed; models that lie are found out; files give the same model back."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from registry import models as registry
from registry.twins import Around

from gibbsite.core import Evidence, Normal, Normalised, Sampleable, Tempered, capability, draw, need, reference
from gibbsite.data import load as load_data
from gibbsite.models import PARADIGMS, Flow, FlowEnergy, InDataUnits
from gibbsite.testing.law import LawViolation
from gibbsite.testing.model import check_model
from gibbsite.train import CheckpointError, load, save

KEY = jax.random.key(11)


@pytest.mark.parametrize("name", registry.MODELS)
def test_model_keeps_the_law(name):
    model, box = registry.MODELS[name]
    check_model(model, box=box, key=KEY)


class ForgottenJacobian(InDataUnits):
    """Stretched, without the determinant."""

    def as_energy(self):
        return _Moved(self.model.as_energy(), self.shift.tree, self.scale.tree)


class _Moved(Around):
    shift: jax.Array
    scale: jax.Array

    def __call__(self, x):
        return self.energy((x - self.shift) / self.scale)

    def views(self):
        inner = need(self.energy, Sampleable, "test")
        return Normalised(lambda: jnp.zeros(())), Sampleable(lambda *, key: self.shift + self.scale * inner.sample(key=key))


class WrongDensity(InDataUnits):
    """Claims EXACT with a normalised density that its draws do not follow."""

    def as_energy(self):
        return Normal(jnp.zeros(2), jnp.ones(2))


class UnknownConstant(InDataUnits):
    """Claims EXACT and knows no constant."""

    def as_energy(self):
        return Tempered(super().as_energy(), 1.0)


LIES = {ForgottenJacobian: "log Z against the sum", WrongDensity: "draws against the density", UnknownConstant: "knows no constant"}


@pytest.mark.parametrize("broken", LIES)
def test_models_that_lie_are_found_out(broken):
    flow = Flow.build(dim=2, layers=2, knots=4, width=4, key=jax.random.key(5))
    model = broken(flow, jnp.array([0.5, -1.0]), jnp.array([1.3, 0.6]))
    assert model.evidence is Evidence.EXACT
    with pytest.raises(LawViolation, match=LIES[broken]):
        check_model(model, box=registry._BOX, key=KEY)


@pytest.mark.parametrize("name", registry.MODELS)
def test_a_file_gives_the_same_model_back(name, tmp_path):
    model, _ = registry.MODELS[name]
    save(model, tmp_path)
    again = load(tmp_path)
    assert jax.tree.structure(again) == jax.tree.structure(model) or "flow" in name
    keys = jax.random.split(KEY, 3)
    drawn, redrawn = (jax.vmap(lambda k, m=m: m.sample(key=k))(keys) for m in (model, again))
    np.testing.assert_array_equal(redrawn, drawn)
    states = jax.vmap(lambda k: draw(reference(model.as_energy().space), key=k))(keys)
    np.testing.assert_array_equal(jax.vmap(again.as_energy())(states), jax.vmap(model.as_energy())(states))


def test_a_missing_model_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="no model"):
        load(tmp_path / "absent")


def test_flow_knows_its_constant():
    energy = Flow.build(dim=2, layers=1, knots=0, width=4, key=KEY).as_energy()
    assert isinstance(energy, FlowEnergy)
    assert capability(energy, Normalised) is not None


@pytest.mark.parametrize(
    ("data", "names"),
    [
        ("gaussians8", ["ebm-pcd", "ebm-dsm", "ebm-nce", "rbm", "flow", "autoregressive", "vae", "diffusion", "gan"]),
        ("digits", ["ebm-pcd", "ebm-dsm", "rbm", "flow", "autoregressive", "vae", "diffusion", "gan"]),
        ("digits-binary", ["ebm-pcd", "rbm", "autoregressive", "vae"]),
    ],
)
def test_paradigms_meet_the_number_of_parameters(data, names):
    from gibbsite.objectives import count

    held = load_data(data)
    able = [name for name, paradigm in PARADIGMS.items() if paradigm.accepts(held.standard_space)]
    assert able == names
    parameters = 1400 if data == "gaussians8" else 11_200
    sizes = [count(PARADIGMS[name].build(held, parameters, KEY)[0]) for name in names]
    assert max(sizes) <= 1.5 * min(sizes), dict(zip(names, sizes, strict=True))

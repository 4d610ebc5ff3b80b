"""Networks as energies: an RBM's block Gibbs against torch; ULA, MALA and HMC on an MLP against torchebm, ebmkit and BlackJAX."""

import functools
import itertools

import numpy as np

from benchmarks.race import THREADS, Race, Ready, torch_device

VISIBLE, HIDDEN, ROWS, SWEEPS = 784, 500, 500, 1000
TENTH = 10  # the energy is observed after so many sweeps, by us alone
SIZES, CHAINS = (2, 128, 128, 128, 1), 4096
STEP = {"ula": 1e-2, "mala": 5e-2, "hmc": 0.15}
STEPS = {"ula": 1000, "mala": 1000, "hmc": 100}
LEAPS = 10  # leapfrog steps of a trajectory


@functools.cache
def machine() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return tuple(rng.normal(0, sd, shape).astype("f4") for sd, shape in ((0.05, (VISIBLE, HIDDEN)), (0.1, VISIBLE), (0.1, HIDDEN)))  # type: ignore[return-value]


def rbm() -> Ready:
    """Both layers in turn by `sample`, with the energy of every tenth sweep, its error, R-hat and tau."""
    import jax

    from gibbsite.core import Repeat
    from gibbsite.energies import BinaryRBM
    from gibbsite.samplers import BlockGibbs, Silent, sample

    energy = BinaryRBM(*machine())

    def run() -> float:
        done = sample(
            Repeat(BlockGibbs(), TENTH), energy, chains=ROWS, warmup=0, draws=SWEEPS // TENTH, progress=Silent(), key=jax.random.key(0)
        )
        return float(done["energy"].value)

    return Ready(ROWS * SWEEPS, run)


def torch_rbm() -> Ready:
    """The loop that a torch user writes; the energy of the last states alone."""
    import torch

    torch.set_num_threads(THREADS)
    weights, visible, hidden = (torch.from_numpy(a).to(torch_device()) for a in machine())
    start = torch.bernoulli(torch.full((ROWS, VISIBLE), 0.5, device=torch_device()))

    @torch.no_grad()
    def run() -> float:
        v = start.clone()
        for _ in range(SWEEPS):
            h = torch.bernoulli(torch.sigmoid(torch.addmm(hidden, v, weights)))
            v = torch.bernoulli(torch.sigmoid(torch.addmm(visible, h, weights.T)))
        return float((-v @ visible - torch.nn.functional.softplus(torch.addmm(hidden, v, weights)).sum(1)).mean())

    return Ready(ROWS * SWEEPS, run)


@functools.cache
def weights() -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """`(out, in)` matrices and biases, the same float32 numbers for all."""
    rng = np.random.default_rng(0)
    pairs = itertools.pairwise(SIZES)
    return tuple((rng.normal(size=(o, i)).astype("f4") / i**0.5, rng.normal(size=o).astype("f4") / 8) for i, o in pairs)


def start() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(CHAINS, SIZES[0])).astype("f4")


def mlp(params, x):
    """SiLU layers and a weak bowl, without which the law would not be normalisable."""
    import jax

    h = x
    for w, b in params[:-1]:
        h = jax.nn.silu(w @ h + b)
    w, b = params[-1]
    return (w @ h + b)[0] + 0.5 * x @ x


def ours(move: str, devices: int) -> Ready:
    """By `sample`, with the energy, its error, R-hat and tau; the chains shared out over so many devices."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_num_cpu_devices", devices)

    from gibbsite.core import Callable, Reals
    from gibbsite.samplers import HMC, MALA, ULA, Silent, sample

    energy = Callable(mlp, jax.tree.map(jnp.asarray, weights()), Reals(SIZES[0]))
    step, x = STEP[move], start()
    kernel = {"ula": ULA(step), "mala": MALA(step), "hmc": HMC(step, jitter=0.0, steps=LEAPS)}[move]

    def run() -> float:
        done = sample(kernel, energy, chains=CHAINS, warmup=0, draws=STEPS[move], init=x, progress=Silent(), key=jax.random.key(0))
        return float(done["energy"].value)

    return Ready(CHAINS * STEPS[move], run)


def _net(base):
    """The same network as a torch module of class `base`; gradients of its weights are not asked for."""
    import torch

    class Energy(base):
        def __init__(self):
            super().__init__()
            layers = []
            for w, b in weights():
                linear = torch.nn.Linear(w.shape[1], w.shape[0])
                linear.weight.data, linear.bias.data = torch.from_numpy(w), torch.from_numpy(b)
                layers += [linear, torch.nn.SiLU()]
            self.net = torch.nn.Sequential(*layers[:-1])
            self.requires_grad_(False)

        def forward(self, x):
            return self.net(x).squeeze(-1) + 0.5 * (x * x).sum(-1)

    return Energy().to(torch_device())


def torchebm(move: str, compiled: str) -> Ready:
    import torch
    from torchebm.core import BaseModel
    from torchebm.samplers import HamiltonianMonteCarlo, LangevinDynamics

    torch.set_num_threads(THREADS)
    energy = _net(BaseModel)
    if compiled:
        energy.net = torch.compile(energy.net)
    sampler = {
        "ula": lambda: LangevinDynamics(energy, step_size=STEP["ula"], noise_scale=1.0, device=torch_device()),
        "hmc": lambda: HamiltonianMonteCarlo(energy, step_size=STEP["hmc"], n_leapfrog_steps=LEAPS, device=torch_device()),
    }[move]()
    x = torch.from_numpy(start()).to(torch_device())

    def run() -> float:
        return float(energy(sampler.sample(x=x.clone(), n_steps=STEPS[move])).mean())

    return Ready(CHAINS * STEPS[move], run)


def ebmkit(move: str, compiled: str) -> Ready:
    import torch
    from ebm.samplers import HMC, MALA, LangevinDynamics

    torch.set_num_threads(THREADS)
    energy = _net(torch.nn.Module)
    if compiled:
        energy = torch.compile(energy)
    steps = STEPS[move]
    sampler = {
        "ula": lambda: LangevinDynamics(STEP["ula"], steps),
        "mala": lambda: MALA(STEP["mala"], steps),
        "hmc": lambda: HMC(STEP["hmc"], LEAPS, steps),
    }[move]()
    x = torch.from_numpy(start()).to(torch_device())

    def run() -> float:
        return float(energy(sampler.sample(energy, x)).mean())

    return Ready(CHAINS * steps, run)


def blackjax(move: str, devices: int) -> Ready:
    """One compiled scan over steps of a device's chains; it keeps the energies of every step, of which ESS is made, and the last states."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_num_cpu_devices", devices)  # before BlackJAX, whose import makes arrays

    import blackjax as bj

    params = jax.tree.map(jnp.asarray, weights())

    def log_density(x):
        return -mlp(params, x)

    algorithm = {
        "mala": lambda: bj.mala(log_density, STEP["mala"]),
        "hmc": lambda: bj.hmc(log_density, STEP["hmc"], jnp.ones(SIZES[0]), LEAPS),
    }[move]()
    steps, count = STEPS[move], jax.device_count()

    @jax.pmap
    def moved(x, key):
        def step(states, key):
            states, _ = jax.vmap(algorithm.step)(jax.random.split(key, len(x)), states)
            return states, states.logdensity

        return jax.lax.scan(step, jax.vmap(algorithm.init)(x), jax.random.split(key, steps))

    def run() -> float:
        _, log_densities = jax.block_until_ready(moved(start().reshape(count, -1, SIZES[0]), jax.random.split(jax.random.key(0), count)))
        return -float(jnp.mean(log_densities))

    return Ready(CHAINS * steps, run)


ON_JAX = {"one device": 1, "a device a core": THREADS}
ON_TORCH = {"eager": "", "compile": "on"}
PEERS = {"torchebm": (torchebm, ON_TORCH), "ebmkit": (ebmkit, ON_TORCH), "blackjax": (blackjax, ON_JAX)}


def _race(move: str, title: str, asked: dict[str, float]) -> Race:
    """We and those peers, each in all of its modes."""
    racing = {"gibbsite": (ours, ON_JAX)} | {name: PEERS[name] for name in asked}
    contestants = {
        f"{name}:{mode}": functools.partial(by, move, how) for name, (by, modes) in racing.items() for mode, how in modes.items()
    }
    return Race(title, "chain-steps", contestants, asked)


NET = f"MLP {'-'.join(map(str, SIZES))} (SiLU), {CHAINS} chains"
RACES = {
    "rbm": Race(f"RBM {VISIBLE}x{HIDDEN}, block Gibbs, {ROWS} chains", "chain-sweeps", {"gibbsite": rbm, "torch": torch_rbm}, {"torch": 2}),
    "ula": _race("ula", f"ULA, {NET}", {"torchebm": 2, "ebmkit": 2}),
    "mala": _race("mala", f"MALA, {NET} (same tuning, so ESS goes as steps)", {"ebmkit": 2, "blackjax": 1}),
    "hmc": _race(
        "hmc", f"HMC, {LEAPS} leapfrog steps, {NET} (same tuning, so ESS goes as steps)", {"torchebm": 2, "ebmkit": 2, "blackjax": 1}
    ),
}

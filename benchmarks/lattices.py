"""Spins: packed Ising copies, Swendsen-Wang, a sparse graph with real couplings; against THRML and loops compiled by numba."""

import functools

import numpy as np

from benchmarks.race import Race, Ready

K, K_C = 0.4, 0.440686793509771513
SIDE, COPIES, SWEEPS = 512, 32, 800
LARGE, TURNS = 1024, 40
SITES, CHAINS, ROUNDS = 4096, 32, 2000
TENTH = 10  # the energy is observed after so many sweeps, by us alone


def packed() -> Ready:
    """32 copies in the bits of one word, moved by `sample`, with the energy of every tenth sweep, its error, R-hat and tau."""
    import jax

    from gibbsite.core import Repeat
    from gibbsite.energies import Copies, Ising
    from gibbsite.samplers import Multispin, Silent, sample

    energy = Copies(Ising(SIDE, K), COPIES)

    def run() -> float:
        done = sample(
            Repeat(Multispin(), TENTH), energy, chains=1, warmup=0, draws=SWEEPS // TENTH, progress=Silent(), key=jax.random.key(0)
        )
        return float(done["energy"].value) / (K * COPIES * SIDE**2)

    return Ready(SWEEPS * COPIES * SIDE**2, run)


def thrml_lattice(side: int, chains: int) -> Ready:
    """THRML's block Gibbs on the two colours of a torus, many chains by vmap, the last state returned."""
    sites = np.arange(side * side).reshape(side, side)
    edges = np.concatenate([np.stack([sites, np.roll(sites, -1, axis)], -1).reshape(-1, 2) for axis in (0, 1)])
    colour = np.add.outer(np.arange(side), np.arange(side)).ravel() % 2
    sweeps = max(10, 2**22 // (chains * side * side))
    return _thrml(edges, np.full(len(edges), K), colour, chains, sweeps)


def _thrml(edges: np.ndarray, couplings: np.ndarray, colour: np.ndarray, chains: int, sweeps: int) -> Ready:
    """Sites of one colour make a block; the check is the energy a site of the last states."""
    import jax
    import jax.numpy as jnp
    from thrml import Block, SamplingSchedule, SpinNode, sample_states
    from thrml.models import IsingEBM, IsingSamplingProgram, hinton_init

    nodes = [SpinNode() for _ in range(len(colour))]
    model = IsingEBM(nodes, [(nodes[a], nodes[b]) for a, b in edges], jnp.zeros(len(nodes)), jnp.asarray(couplings, "f4"), jnp.array(1.0))
    members = [np.flatnonzero(colour == c) for c in range(colour.max() + 1)]
    blocks = [Block([nodes[i] for i in block]) for block in members]
    program = IsingSamplingProgram(model, blocks, [])
    schedule = SamplingSchedule(n_warmup=sweeps, n_samples=1, steps_per_sample=1)
    start = hinton_init(jax.random.key(1), model, blocks, (chains,))
    keys = jax.random.split(jax.random.key(2), chains)
    order = np.argsort(np.concatenate(members))
    moved = jax.jit(jax.vmap(lambda s, k: sample_states(k, program, schedule, s, [], blocks)))

    def run() -> float:
        last = jax.block_until_ready(moved(start, keys))
        spins = 2.0 * np.concatenate([np.asarray(block)[:, 0] for block in last], axis=1)[:, order] - 1
        return float(
            -np.mean(spins[:, edges[:, 0]] * spins[:, edges[:, 1]] * couplings) * len(edges) / len(colour) / np.mean(np.abs(couplings))
        )

    return Ready(chains * sweeps * len(colour), run)


def numba_lattice() -> Ready:
    """One core, one copy: Metropolis by a table of five probabilities, site after site."""
    import numba

    @numba.njit(fastmath=True)
    def sweep(s: np.ndarray, table: np.ndarray) -> None:
        n = len(s)
        for i in range(n):
            up, down = s[i - 1], s[i + 1 if i + 1 < n else 0]
            for j in range(n):
                around = up[j] + down[j] + s[i, j - 1] + s[i, j + 1 if j + 1 < n else 0]
                if np.random.random() < table[s[i, j] * around + 4]:
                    s[i, j] = -s[i, j]

    spins = np.where(np.random.default_rng(0).random((SIDE, SIDE)) < 0.5, 1, -1).astype(np.int64)
    table = np.exp(np.minimum(0.0, -2 * K * np.arange(-4, 5)))
    sweeps = 40

    def run() -> float:
        for _ in range(sweeps):
            sweep(spins, table)
        return float(-np.mean(spins * (np.roll(spins, 1, 0) + np.roll(spins, 1, 1))))

    return Ready(sweeps * SIDE**2, run)


def clusters() -> Ready:
    """Swendsen-Wang by `sample`, one chain."""
    import jax

    from gibbsite.energies import Ising
    from gibbsite.samplers import Silent, SwendsenWang, sample

    energy, x = Ising(LARGE, K_C), np.where(np.random.default_rng(0).random((1, LARGE, LARGE)) < 0.85, 1.0, -1.0).astype("f4")

    def run() -> float:
        done = sample(SwendsenWang(), energy, chains=1, warmup=0, draws=TURNS, init=x, progress=Silent(), key=jax.random.key(0))
        return float(done["energy"].value) / (K_C * LARGE**2)

    return Ready(TURNS, run)


def numba_clusters() -> Ready:
    """One core: union-find by path halving, the smaller label on top, and one coin a cluster."""
    import numba

    @numba.njit
    def find(label: np.ndarray, i: int) -> int:
        while label[i] != i:
            label[i] = label[label[i]]
            i = label[i]
        return i

    @numba.njit
    def turn(s: np.ndarray, label: np.ndarray, coin: np.ndarray, p: float) -> None:
        n = len(s)
        for i in range(n * n):
            label[i] = i
        for i in range(n):
            for j in range(n):
                here = i * n + j
                for there in (((i + 1) % n) * n + j, i * n + (j + 1) % n):
                    if s[i, j] == s.flat[there] and np.random.random() < p:
                        a, b = find(label, here), find(label, there)
                        if a < b:
                            label[b] = a
                        else:
                            label[a] = b
        for i in range(n * n):
            coin[i] = 1 if np.random.random() < 0.5 else -1
        for i in range(n):
            for j in range(n):
                s[i, j] = coin[find(label, i * n + j)]

    spins = np.where(np.random.default_rng(0).random((LARGE, LARGE)) < 0.85, 1, -1).astype(np.int64)
    label, coin = np.empty(LARGE**2, np.int64), np.empty(LARGE**2, np.int64)

    def run() -> float:
        for _ in range(TURNS):
            turn(spins, label, coin, -np.expm1(-2 * K_C))
        return float(-np.mean(spins * (np.roll(spins, 1, 0) + np.roll(spins, 1, 1))))

    return Ready(TURNS, run)


@functools.cache
def graph() -> tuple[np.ndarray, np.ndarray]:
    """Sites of degree 6 to 15 joined at random, couplings from a normal law of standard deviation 0.15."""
    rng = np.random.default_rng(7)
    want = rng.integers(6, 16, SITES)
    ends = rng.permutation(np.repeat(np.arange(SITES), want))
    pairs = np.sort(ends[: len(ends) // 2 * 2].reshape(-1, 2), axis=1)
    edges = np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)
    return edges, rng.normal(0, 0.15, len(edges)).astype("f4")


def sparse() -> Ready:
    """Copies side by side, by `sample`, with the energy of every tenth sweep, its error, R-hat and tau."""
    import jax

    from gibbsite.core import Repeat, Spins
    from gibbsite.energies import BoltzmannMachine, Copies
    from gibbsite.samplers import GraphGibbs, Silent, sample

    edges, couplings = graph()
    energy = Copies(BoltzmannMachine(Spins(SITES), edges, couplings), CHAINS)

    def run() -> float:
        done = sample(
            Repeat(GraphGibbs(), TENTH), energy, chains=1, warmup=0, draws=ROUNDS // TENTH, progress=Silent(), key=jax.random.key(0)
        )
        return float(done["energy"].value) / CHAINS / SITES / float(np.mean(np.abs(couplings)))

    return Ready(CHAINS * ROUNDS * SITES, run)


def thrml_sparse() -> Ready:
    """The same graph and colouring."""
    from gibbsite.core import Spins
    from gibbsite.energies import BoltzmannMachine

    edges, couplings = graph()
    colour = np.zeros(SITES + 1, int)
    for number, block in enumerate(np.asarray(BoltzmannMachine(Spins(SITES), edges, couplings).blocks)):
        colour[block] = number
    return _thrml(edges, couplings, colour[:-1], CHAINS, ROUNDS)


RACES = {
    "ising": Race(
        f"Ising torus, K={K}, L={SIDE}, {COPIES} copies (THRML: {COPIES} chains on its best size; numba: one core, one copy)",
        "flips",
        {
            "gibbsite": packed,
            "thrml:L=32": functools.partial(thrml_lattice, 32, COPIES),
            "thrml:L=64": functools.partial(thrml_lattice, 64, COPIES),
            "thrml:L=128": functools.partial(thrml_lattice, 128, COPIES),
            "numba": numba_lattice,
        },
        {"thrml": 8, "numba": 10},
    ),
    "clusters": Race(f"Swendsen-Wang, L={LARGE} at K_c", "steps", {"gibbsite": clusters, "numba": numba_clusters}, {"numba": 1.5}),
    "sparse": Race(
        f"Gibbs on a random graph, {SITES} sites of degree 6 to 15, {CHAINS} chains",
        "flips",
        {"gibbsite": sparse, "thrml": thrml_sparse},
        {"thrml": 3},
    ),
}

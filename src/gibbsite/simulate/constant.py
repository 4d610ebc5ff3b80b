"""`gibbsite log-z`: log Z of a listed energy, or of one of the user's, with its certificate."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from gibbsite.core import Tempered, as_float
from gibbsite.core.keys import key_of
from gibbsite.simulate.file import TargetError
from gibbsite.simulate.targets import target
from gibbsite.thermo import Certificate, certify


class Constant(NamedTuple):
    """The certificate of `exp(-beta U)` of a target."""

    name: str
    beta: float
    certificate: Certificate

    def json(self) -> str:
        """The certificate's record with the target's name and beta before it, as text."""
        return self.certificate.json(target=self.name, beta=self.beta)

    def __str__(self) -> str:
        return f"{self.name} at beta = {self.beta:g}\n{self.certificate}"


def constant(
    name: str,
    settings: Mapping[str, Any] | None = None,
    *,
    beta: float = 1.0,
    routes: Sequence[str] | None = None,
    walkers: int = 512,
    width: float = 0.1,
    seconds: float = 60.0,
    level: float = 0.95,
    seed: int = 0,
) -> Constant:
    """Certifies log Z of a target of `TARGETS`, or of `file.py:name`, at inverse temperature `beta` (see `certify`).

    Raises:
        TargetError, ValueError: the target, a setting, beta or the seed is none.
        ValueError, TypeError: as `certify` has them.
    """
    if not 0 < np.float32(beta) < np.inf:
        raise TargetError(f"beta={beta}: give a positive inverse temperature.")
    energy = target(name, settings or {})
    law = energy if beta == 1 else Tempered(energy, as_float(beta))
    found = certify(
        law,
        routes=routes or None,
        walkers=walkers,
        width=width,
        seconds=seconds,
        level=level,
        key=key_of(seed),
    )
    return Constant(name, float(beta), found)

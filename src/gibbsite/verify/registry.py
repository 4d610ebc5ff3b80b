"""All identities, and how they are asked for."""

from collections.abc import Iterable

from gibbsite.compare.card import unknown
from gibbsite.verify import chains, contrast, entropy, langevin, learning, physics, scores, transport, variational, work
from gibbsite.verify.identity import Field, Identity

IDENTITIES: tuple[Identity, ...] = (
    *entropy.IDENTITIES,
    *langevin.IDENTITIES,
    *chains.IDENTITIES,
    *work.IDENTITIES,
    *learning.IDENTITIES,
    *scores.IDENTITIES,
    *contrast.IDENTITIES,
    *variational.IDENTITIES,
    *transport.IDENTITIES,
    *physics.IDENTITIES,
)


class VerifyError(ValueError):
    """A name or a folder that nothing can be verified with; the message names it, and the remedy."""


def chosen(names: Iterable[str]) -> list[Identity]:
    """The identities of these names, or of the fields so named (`work`), in the order of `IDENTITIES`; without names all.

    Raises:
        VerifyError: there is none of that name.
    """
    fields, known = {field.name.lower() for field in Field}, {identity.name for identity in IDENTITIES}
    asked = set(names)
    for name in asked:
        if name not in fields | known:
            raise VerifyError(f"{unknown('identity', name, [*known, *fields])}; gibbsite verify --list tells what they are.")
    return [i for i in IDENTITIES if not asked or asked & {i.name, i.field.name.lower()}]

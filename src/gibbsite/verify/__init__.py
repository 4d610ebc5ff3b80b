"""The review, executed: each statement that relates two fields is an identity that can be run, and one that fails where it is broken.

`verify()` runs them and writes one page; `IDENTITIES` are all of them, each with its formula, conditions, source and broken twin.
"""

from gibbsite.verify.identity import Field, Findings, Identity, Panel, Series, Statement
from gibbsite.verify.registry import IDENTITIES, VerifyError, chosen
from gibbsite.verify.run import Verification, told, verify

__all__ = [
    "IDENTITIES",
    "Field",
    "Findings",
    "Identity",
    "Panel",
    "Series",
    "Statement",
    "Verification",
    "VerifyError",
    "chosen",
    "told",
    "verify",
]

"""The main job: every paradigm on the same data under one budget, each mapped to an energy, each number with its evidence."""

from gibbsite.compare.card import BUDGETS, Budget, Card, CardError
from gibbsite.compare.run import Comparison, compare, report
from gibbsite.compare.store import FullError

__all__ = ["BUDGETS", "Budget", "Card", "CardError", "Comparison", "FullError", "compare", "report"]

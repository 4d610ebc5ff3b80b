"""What a comparison says in a minute: which model to use on each data set, why, and what to beware of."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from gibbsite.compare.constants import AGREE
from gibbsite.compare.ranking import Arrays, Standing, established, gap, pooled, separated, standings
from gibbsite.compare.store import Record
from gibbsite.compare.table import BADGES, by_dataset, doubted, naming, number, short
from gibbsite.core import Z95, Estimate, Evidence, Status

TV_LIMIT = 0.05  # mode masses further off than this, beyond three errors, are called missed


class Verdict(NamedTuple):
    """The choice on one data set, the reasons, the cautions, and the models that may be as good."""

    dataset: str
    choice: str | None
    reasons: tuple[str, ...]
    cautions: tuple[str, ...]
    rivals: tuple[str, ...] = ()

    @property
    def advice(self) -> str:
        """`use flow`, or `use flow, rbm or ebm-pcd` where their order is not established."""
        if self.choice is None:
            return "nothing established"
        *names, last = (self.choice, *self.rivals)
        return f"use {', '.join(names)} or {last}" if names else f"use {last}"


def verdicts(records: Iterable[Record], arrays: Arrays) -> list[Verdict]:
    """One verdict a data set; `arrays` holds each fit's energies of the test rows."""
    return [verdict(dataset, group, arrays) for dataset, group in by_dataset(records).items()]


def verdict(dataset: str, records: Sequence[Record], arrays: Arrays) -> Verdict:
    """The model of lowest test NLL among those whose likelihood is established, with how far the figure can be trusted."""
    name = naming(records)
    cautions = tuple(line for record in records for line in _cautions(record, name(record)))
    ranked = standings(records, arrays)
    if not ranked:
        return Verdict(dataset, None, ("No model has an established likelihood here.",), cautions)
    best, *rest = ranked
    gaps = [(other, gap(best, other)) for other in rest]
    rivals = tuple(other.model for other, found in gaps if not separated(found))
    cautions += tuple(_too_good(records, name))
    behind = [_behind(other, best, found) for other, found in gaps if other is rest[0] or other.model in rivals]
    reasons = (_likelihood(best), *_closeness(best), *_draws(best, records), *behind)
    return Verdict(dataset, best.model, reasons, cautions, rivals)


def lines(verdict: Verdict) -> list[str]:
    """The verdict in plain lines: the advice with its reasons, then one caution a line."""
    head = f"{verdict.advice}. " if verdict.choice else ""
    return [f"{verdict.dataset}: {head}{' '.join(verdict.reasons)}", *(f"  ! {caution}" for caution in verdict.cautions)]


def _likelihood(best: Standing) -> str:
    value, kl = pooled(best.records, "nll"), pooled(best.records, "kl")
    bound = {"lower bound": "at least ", "upper bound": "at most "}.get(best.evidence.value, "")
    over = f", the mean of {len(best.records)} fits" if len(best.records) > 1 else ""
    word = BADGES[best.evidence.value].word
    text = f"{best.model} has the lowest test NLL: {bound}{value} nats per example (evidence: {word}{over})"
    return f"{text}, {bound}{kl} above the truth." if kl else f"{text}."


def _closeness(best: Standing) -> list[str]:
    apart, floor = pooled(best.records, "mode_tv"), pooled(best.records, "mode_tv_floor")
    if apart is None:
        return []
    aside = f"; as many rows of real data lie {short(floor.value)} from it by chance" if floor else ""
    return [f"Its mode masses are within {apart} of the truth in total variation{aside}."]


def _draws(best: Standing, records: Sequence[Record]) -> list[str]:
    """Whose draws are nearest to the data: the best likelihood need not have them."""
    models = dict.fromkeys(record["model"] for record in records)
    found = {m: pooled([r for r in records if r["model"] == m], "energy_distance") for m in models}
    known = {model: apart for model, apart in found.items() if apart is not None}
    mine = known.get(best.model)
    if mine is None:
        return []
    nearest = min(known, key=lambda model: float(known[model].value))
    if nearest == best.model:
        return [f"No other model's draws lie nearer to the data (energy distance {mine})."]
    other = known[nearest]
    sure = float(mine.value) - float(other.value) > Z95 * math.hypot(float(mine.stderr or 0.0), float(other.stderr or 0.0))
    aside = "" if sure else "; chance alone may part them so far"
    return [f"For draws alone, those of {nearest} lie nearest to the data: energy distance {other}, that of {best.model} is {mine}{aside}."]


def _behind(other: Standing, best: Standing, found: Estimate) -> str:
    """How far behind another model is; why the order of the two is not established, where it is not."""
    text = f"{other.model} is {found} nats behind on the same test rows"
    if separated(found):
        return f"{text}{'; one fit of each, so another seed may turn the order' if len(best.records) == 1 else ''}."
    if found.lo > 0:
        weak = best if best.evidence.value in ("lower bound", "not established") else other
        return f"{text}, but the figure of {weak.model} is marked {BADGES[weak.evidence.value].word}: the order is not established."
    return f"{text}, an interval that holds zero: call it a tie."


def _too_good(records: Sequence[Record], name: Callable[[Record], str]) -> list[str]:
    """Why a figure that is not exact may lie below the lowest whose constant is exact."""
    known = [(r, r["metrics"]["nll"]) for r in records if r["metrics"].get("nll", {}).get("value") is not None]
    exact = [(metric["value"], r) for r, metric in known if _of_exact(r)]
    if not exact:
        return []
    least, best = min(exact, key=lambda pair: pair[0])
    below = [(r, metric) for r, metric in known if not _of_exact(r) and metric["value"] < least]
    return [
        f"{name(r)}: its likelihood is estimated, not computed: {_softness(metric)}. That its NLL lies below the lowest that is "
        f"computed, {number(best['metrics']['nll'])} of {name(best)}, rests on that."
        for r, metric in below
    ]


def _of_exact(record: Record) -> bool:
    """True where all that is uncertain of a likelihood is the choice of test rows."""
    return record["metrics"]["nll"]["evidence"] in (Evidence.EXACT.value, Evidence.UNBIASED.value)


def _softness(metric: Mapping[str, Any]) -> str:
    if metric["evidence"] == Evidence.INTERVAL.value:
        return f"the NLL lies between {metric['lo']:.4g} and {metric['hi']:.4g} (95 %) if the annealed walkers met every mode"
    meaning = BADGES[metric["evidence"]]
    return f"{meaning.word}, {meaning.meaning[0].lower()}{meaning.meaning[1:].rstrip('.')}"


def _cautions(record: Record, name: str) -> list[str]:
    if record["status"] == "failed":
        return [f"{name} failed, so {record['model']} is not ranked: {record['reason']}"]
    said = []
    metrics = record["metrics"]
    tv = metrics.get("mode_tv")
    if tv and tv["value"] is not None and tv["value"] > TV_LIMIT + 3 * (tv["stderr"] or 0.0):
        said.append(f"{name} misses mode masses: total variation {number(tv)}, against {TV_LIMIT} allowed.")
    apart = metrics.get("log_z_disagreement")
    if apart and apart["value"] is not None and abs(apart["value"]) > AGREE:
        said.append(f"{name}: {_apart(apart['value'], annealed='log_z_grid' not in metrics)}")
    for status, heads in doubted(record).items():
        unranked = "" if established(record) else f", so {record['model']} is not ranked"
        said.append(f"{name}: {', '.join(heads)} in doubt{unranked}. {Status[status.upper()].value}")
    if record["reason"]:
        said.append(f"{name}: {record['reason']}")
    return said


def _apart(errors: float, *, annealed: bool) -> str:
    """Two estimates of a constant that lie apart: the annealed one from the exact one, or a sum over a grid from the known one."""
    if not annealed:
        return (
            f"the mass on a grid lies {errors:+.1f} errors from the model's constant, more than {AGREE:g}: mass outside the window, "
            "detail between its points, or a density that is not normalised."
        )
    remedy = "the path was too short, trust the exact one" if errors < 0 else "mass was missed by the exact one, trust neither"
    return f"annealed log Z lies {errors:+.1f} errors from the exact one, more than {AGREE:g}: {remedy}."

"""The explorer of energy landscapes: what its script needs, packed small, and the controls that it answers to."""

import base64
import dataclasses
import json
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from gibbsite.compare.panels import KEPT, Shown, normalised
from gibbsite.compare.scene import Scene

RANGE = 400.0  # nats above the deepest point that are kept: at beta = 0.1 what lies beyond weighs exp(-40)
LEVELS = 65535  # in steps of at most 0.006 nats


@dataclasses.dataclass(frozen=True)
class Ground:
    """One landscape to explore, or none where the model has no density."""

    name: str
    heights: np.ndarray | None
    draws: np.ndarray

    def packed(self) -> dict[str, Any]:
        """Heights in 16 bits a point between `low` and `high`, draws in 32 bits a number, both in base 64."""
        held = {"name": self.name, "draws": _base64(np.asarray(self.draws[:KEPT], "<f4"))}
        if self.heights is None or not np.isfinite(self.heights).any():
            return held
        low = float(np.nanmin(self.heights))
        high = min(float(np.nanmax(self.heights)), low + RANGE)  # a wall stands as high as the scale goes
        level = np.clip(np.nan_to_num(self.heights, nan=high, posinf=high), low, high) - low
        levels = np.round(level * LEVELS / max(high - low, 1e-9)).astype("<u2")
        return held | {"low": low, "high": high, "shape": self.heights.shape, "heights": _base64(levels)}


def explorer(scene: Scene, shown: Sequence[Shown], anchor: str, best: str | None) -> str:
    """The section; empty for data that are not of the plane, or where no model has draws there."""
    held = [cell for cell in shown if "draws" in cell.arrays]
    if scene.extent is None or len(scene.extent) != 4 or not held:
        return ""
    grounds = [] if scene.truth is None else [Ground("truth", scene.truth, scene.shown)]
    grounds += [Ground(cell.name, cell.arrays.get("landscape"), cell.arrays["draws"]) for cell in held]
    first = next((cell.name for cell in held if cell.record["model"] == best), held[0].name)
    packed = {
        "extent": scene.extent,
        "columns": scene.columns,
        "data": _base64(np.asarray(scene.shown[:KEPT], "<f4")),
        "grounds": [ground.packed() for ground in grounds],
    }
    vague = [cell.name for cell in held if "landscape" in cell.arrays and not normalised(cell)]
    unknown = f", up to a constant for {escape(', '.join(vague))}, whose log Z is not known" if vague else ""
    boxes = "".join(_box(ground.name, chosen=ground.name in ("truth", first)) for ground in grounds)
    return _FORM.format(anchor=anchor, name=escape(scene.name), boxes=boxes, unknown=unknown, data=embedded(packed))


def _box(name: str, *, chosen: bool) -> str:
    return f'<label><input type="checkbox" name="ground" value="{escape(name)}"{" checked" if chosen else ""}>{escape(name)}</label>'


def embedded(value: Any) -> str:
    """JSON that may stand in a `<script>`."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def _base64(values: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()


_FORM = """<div class="explorer" id="{anchor}-explorer" hidden>
<h3>Explore the landscapes</h3>
<p class="note">Heat and cool every model: the colours are exp(-beta U) made anew on the window of the panels
as they open. Draws and data were made at
beta = 1 and do not follow.</p>
<form aria-label="Explorer of {name}" autocomplete="off">
<fieldset><legend>models</legend>{boxes}</fieldset>
<fieldset><legend>temperature</legend><label class="slider">hot <input type="range" name="beta" min="0.1" max="3" step="0.05" value="1"
aria-label="beta, the inverse temperature">cold <output>1.00</output></label><button type="button" name="cool">back to 1</button></fieldset>
<fieldset><legend>colours</legend><label><input type="radio" name="shows" value="density" checked>density</label>
<label><input type="radio" name="shows" value="energy">energy</label></fieldset>
<fieldset><legend>points</legend><label><input type="checkbox" name="draws" checked>draws (dots)</label>
<label><input type="checkbox" name="data">held-out data (crosses)</label></fieldset>
<fieldset><legend>size</legend><label><input type="radio" name="size" value="small" checked>side by side</label>
<label><input type="radio" name="size" value="large">large</label></fieldset>
</form>
<div class="grounds"></div>
<p class="small">Drag to move, pinch or turn the wheel with Ctrl to zoom, double-click to return; or focus a panel and use the
arrows, plus and minus, and 0. All panels move together. Below each panel, in nats, at this temperature
and on the whole window, however far you zoom: mean energy, entropy, and heat capacity. At beta = 1 the energy is -log p(x){unknown}.</p>
<script type="application/json">{data}</script>
</div>"""

// The explorer: energies at another temperature, made anew from the grid of each model, side by side and moving together.
(() => {
  const bytes = text => gibbsite.bytes(text).buffer;
  const pairs = text => new Float32Array(bytes(text));
  const every = (values, from) => Array.from({ length: values.length / 2 }, (_, n) => values[2 * n + from]);
  const axis = (low, high, n) => Array.from({ length: n }, (_, i) => low + (high - low) * i / (n - 1));

  // A ground of the page's data: energies in nats on its grid, if it has any, and its draws.
  const unpacked = ({ name, draws, heights, low, high, shape }) => ({
    name, draws: pairs(draws), shape,
    energy: heights && Float64Array.from(new Uint16Array(bytes(heights)), level => low + level * (high - low) / 65535),
  });

  // -log of exp(-beta u) / Z(beta) on the grid, with mean energy, entropy and heat capacity there.
  const cooled = (energy, beta, cell) => {
    let least = Infinity;
    for (const u of energy) least = Math.min(least, u);
    let sum = 0, first = 0, second = 0;
    for (const u of energy) {
      const weight = Math.exp(-beta * (u - least));
      sum += weight; first += weight * (u - least); second += weight * (u - least) ** 2;
    }
    const logZ = Math.log(sum * cell) - beta * least, mean = first / sum, variance = Math.max(0, second / sum - mean ** 2);
    return { heights: energy.map(u => beta * u + logZ), mean: mean + least, entropy: beta * (mean + least) + logZ, capacity: beta ** 2 * variance };
  };

  // What keys do to the view: shares of it to move by, and a factor to its width.
  const keys = { ArrowLeft: [-.1, 0, 1], ArrowRight: [.1, 0, 1], ArrowDown: [0, -.1, 1], ArrowUp: [0, .1, 1],
    "+": [0, 0, .8], "=": [0, 0, .8], "-": [0, 0, 1.25], "0": null, Home: null };
  const moved = ([low, high], share, factor) => [-.5, .5].map(side => (low + high) / 2 + (share + side * factor) * (high - low));

  const rowsOf = (values, [rows, columns]) => Array.from({ length: rows }, (_, r) => Array.from(values.subarray(r * columns, (r + 1) * columns)));

  const explore = root => {
    const data = JSON.parse(root.querySelector(":scope > script").textContent);
    const [left, right, bottom, top] = data.extent, [across, up] = data.columns;
    const grounds = data.grounds.map(unpacked), truth = pairs(data.data);
    const form = root.querySelector("form"), field = root.querySelector(".grounds");
    const places = new Map();  // ground: its panel on the page
    const home = { "xaxis.range": [left, right], "yaxis.range": [bottom, top] };
    let view = home, moving = false;

    const points = (values, name, symbol, colour) => ({
      type: "scatter", mode: "markers", name, x: every(values, 0), y: every(values, 1),
      marker: { size: symbol === "circle" ? 2.5 : 5, symbol, color: colour, opacity: .5 }, hoverinfo: "skip" });

    const surface = (ground, cool, shows, limits) => {
      const energy = rowsOf(cool.heights, ground.shape);
      const z = shows === "energy" ? energy : energy.map(row => row.map(u => Math.exp(-u)));
      return {
        type: "heatmap", x: axis(left, right, ground.shape[1]), y: axis(bottom, top, ground.shape[0]), z, customdata: energy,
        zmin: limits[0], zmax: limits[1], zsmooth: "fast", colorscale: "Cividis", reversescale: shows === "energy",
        colorbar: { thickness: 8, outlinewidth: 0, len: 1, tickfont: { size: 10 }, title: { text: shows === "energy" ? "nats" : "density", font: { size: 10 } } },
        hovertemplate: `${across} %{x:.3g}<br>${up} %{y:.3g}<br>energy %{customdata:.2f} nats<extra></extra>` };
    };

    const panel = ground => {
      if (places.has(ground)) return places.get(ground);
      const place = document.createElement("div");
      place.className = "ground";
      place.innerHTML = "<b></b><div class='plot' tabindex='0' role='application'></div><p class='small'></p>";
      place.querySelector("b").textContent = ground.name;
      place.querySelector(".plot").setAttribute("aria-label", `Landscape of ${ground.name}: arrows move, plus and minus zoom, 0 returns`);
      place.querySelector(".plot").addEventListener("keydown", pressed);
      place.addEventListener("wheel", event => { if (!event.ctrlKey) event.stopPropagation(); }, true);  // the page scrolls
      places.set(ground, place);
      return place;
    };

    // Every panel but `done` to this view.
    const look = (wanted, done = null) => {
      view = wanted;
      moving = true;
      const plots = [...field.querySelectorAll(".plot")].filter(plot => plot.data && plot !== done);
      Promise.all(plots.map(plot => Plotly.relayout(plot, structuredClone(view)))).finally(() => { moving = false; });
    };

    const together = (plot, change) => {
      const changed = Object.keys(change).filter(name => /^[xy]axis/.test(name));
      if (moving || !changed.length) return;
      if (changed.some(name => name.endsWith("autorange"))) return look(home);
      const { xaxis, yaxis } = plot.layout;
      look({ "xaxis.range": [...xaxis.range], "yaxis.range": [...yaxis.range] }, plot);
    };

    const pressed = event => {
      if (!(event.key in keys) || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      if (!keys[event.key]) return look(home);
      const [right, up, factor] = keys[event.key];
      look({ "xaxis.range": moved(view["xaxis.range"], right, factor), "yaxis.range": moved(view["yaxis.range"], up, factor) });
    };

    const draw = async (ground, cool, shows, limits) => {
      const Plotly = await gibbsite.plotly();
      const place = panel(ground), plot = place.querySelector(".plot"), dark = cool && shows === "energy" ? "#000000" : "#ffffff";
      const traces = cool ? [surface(ground, cool, shows, limits)] : [];
      if (form.draws.checked) traces.push(points(ground.draws, "draws", "circle", cool ? dark : gibbsite.colour("ink")));
      if (form.data.checked) traces.push(points(truth, "held-out data", "x-thin-open", cool ? "#ff5a36" : gibbsite.colour("s2")));
      const nothing = { text: "no density", x: .5, y: 1, yanchor: "bottom", xref: "paper", yref: "paper", showarrow: false, font: { size: 14, color: "@muted" } };
      const height = Math.min(620, Math.max(260, .84 * plot.clientWidth));
      plot.style.height = `${height}px`;  // its drawing floats in it
      const layout = gibbsite.layout(height, {
        xaxis: { title: { text: across }, range: [...view["xaxis.range"]], showgrid: !cool }, yaxis: { title: { text: up }, range: [...view["yaxis.range"]], showgrid: !cool },
        width: plot.clientWidth, showlegend: false, dragmode: "pan", annotations: cool ? [] : [nothing] });
      if (!cool) layout.margin.t = 24;
      const told = cool && `mean energy ${cool.mean.toFixed(3)}, entropy ${cool.entropy.toFixed(3)}, heat capacity ${cool.capacity.toFixed(3)}`;
      place.querySelector("p").textContent = told || "Draws only: this model tells no density, so no temperature changes it.";
      const fresh = !plot.data;
      const config = { scrollZoom: true, displaylogo: false, displayModeBar: false, doubleClick: "reset" };
      return Plotly.react(plot, traces.map(gibbsite.themed), layout, config).then(() => {
        if (fresh) plot.on("plotly_relayout", change => together(plot, change));
      });
    };

    const redraw = () => {
      const beta = Number(form.beta.value), shows = form.shows.value;
      root.querySelector("output").textContent = `beta = ${beta.toFixed(2)} (T = ${(1 / beta).toFixed(2)})`;
      field.classList.toggle("large", form.size.value === "large");
      const wanted = new Set([...form.elements.ground.length ? form.elements.ground : [form.elements.ground]].filter(box => box.checked).map(box => box.value));
      const chosen = grounds.filter(ground => wanted.has(ground.name));
      field.replaceChildren(...(chosen.length ? chosen.map(panel) : ["Choose a model above."]));
      const cools = chosen.map(({ energy, shape }) => energy && cooled(energy, beta, (right - left) * (top - bottom) / ((shape[0] - 1) * (shape[1] - 1))));
      const least = Math.min(...cools.filter(Boolean).map(cool => cool.heights.reduce((a, b) => Math.min(a, b))));
      const limits = shows === "energy" ? [least, least + 12] : [0, Math.exp(-least)];
      chosen.forEach((ground, n) => draw(ground, cools[n], shows, limits));
    };

    let waiting = 0;
    const soon = () => { cancelAnimationFrame(waiting); waiting = requestAnimationFrame(redraw); };
    form.addEventListener("input", soon);
    form.addEventListener("submit", event => event.preventDefault());
    form.cool.addEventListener("click", () => { form.beta.value = 1; soon(); });
    gibbsite.dark.addEventListener("change", soon);
    addEventListener("resize", () => field.clientWidth && soon());
    root.hidden = false;
    new IntersectionObserver((seen, self) => { if (seen.some(s => s.isIntersecting)) { self.disconnect(); redraw(); } }, { rootMargin: "300px" }).observe(root);
    root.landscapes = () => [[across, up, ...grounds.filter(ground => ground.energy).map(ground => `${ground.name} [nats]`)].join(","), ...lines()].join("\n") + "\n";

    const lines = function* () {
      const held = grounds.filter(ground => ground.energy), [rows, wide] = held[0].shape, xs = axis(left, right, wide), ys = axis(bottom, top, rows);
      for (let n = 0; n < rows * wide; n++)
        yield [xs[n % wide], ys[Math.floor(n / wide)], ...held.map(ground => ground.energy[n])].map(v => Number(v.toPrecision(6))).join(",");
    };
  };

  gibbsite.landscapes = section => section.querySelector(".explorer").landscapes();
  if ("DecompressionStream" in window) document.querySelectorAll(".explorer").forEach(explore);
})();

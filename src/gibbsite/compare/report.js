// What the page does beyond showing itself: badges tell their meaning, charts answer to the mouse, figures give files,
// print opens all that is folded. Without this script the page is whole, and its charts are pictures.
"use strict";
const gibbsite = {
  colour: name => name === "ink" ? getComputedStyle(document.body).color : getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim(),
  // A value with every "@name" in it replaced by that colour of the page.
  themed: value => {
    if (typeof value === "string") return value.startsWith("@") ? gibbsite.colour(value.slice(1)) : value;
    if (Array.isArray(value)) return value.map(gibbsite.themed);
    if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, gibbsite.themed(v)]));
    return value;
  },
  axis: { gridcolor: "@rule", linecolor: "@muted", showline: true, zeroline: false, ticks: "outside", tickcolor: "@muted", ticklen: 3, automargin: true },
  // Plotly's layout in the page's type and colours.
  layout: (height, { xaxis, yaxis, ...own }) => gibbsite.themed({
    height, margin: { l: 46, r: 8, t: 6, b: 40 }, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: getComputedStyle(document.body).getPropertyValue("--sans").trim(), size: 11, color: "@ink" },
    hoverlabel: { bgcolor: "@card", bordercolor: "@muted", font: { color: "@ink" } }, dragmode: false, bargap: 0,
    legend: { orientation: "h", x: 0, y: 1, yanchor: "bottom", font: { size: 11 } },
    xaxis: { ...gibbsite.axis, ...xaxis }, yaxis: { ...gibbsite.axis, ...yaxis }, ...own }),
  bytes: text => Uint8Array.from(atob(text), c => c.charCodeAt(0)),
  // Plotly, unpacked when it is first needed.
  plotly: () => gibbsite.unpacked ??= (async () => {
    const packed = new Blob([gibbsite.bytes(document.getElementById("plotly").textContent)]);
    const script = document.createElement("script");
    script.textContent = await new Response(packed.stream().pipeThrough(new DecompressionStream("gzip"))).text();
    document.head.append(script);
    return window.Plotly;
  })(),
  dark: matchMedia("(prefers-color-scheme: dark)"),
  // The file `name`, made here.
  give: (name, blob) => {
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  },
};

(() => {
  // Badges: the meaning appears on hover, focus and touch, inside the window; Escape hides it.
  const tip = document.getElementById("tip");
  let told = null;  // the badge that is explained
  const show = badge => {
    told = badge;
    tip.textContent = document.getElementById(badge.getAttribute("aria-describedby"))?.textContent ?? "";
    tip.hidden = !tip.textContent;
    const box = badge.getBoundingClientRect(), own = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(8, Math.min(box.left, document.documentElement.clientWidth - own.width - 8))}px`;
    tip.style.top = `${box.bottom + own.height + 8 < innerHeight ? box.bottom + 6 : box.top - own.height - 6}px`;
  };
  const hide = () => { tip.hidden = true; told = null; };
  for (const badge of document.querySelectorAll(".badge[aria-describedby]")) {
    for (const event of ["mouseenter", "focus", "click"]) badge.addEventListener(event, () => show(badge));
    for (const event of ["mouseleave", "blur"]) badge.addEventListener(event, hide);
  }
  addEventListener("keydown", event => { if (event.key === "Escape") hide(); });
  addEventListener("scroll", () => told && show(told), { passive: true, capture: true });
})();

(() => {
  // Charts: drawn anew by Plotly when they come near, in the place of the picture.
  const held = new Map();  // place of a chart: its plot
  const config = { displayModeBar: false, responsive: true, scrollZoom: false };
  const draw = async place => {
    const Plotly = await gibbsite.plotly();
    const { plot, height } = held.get(place);
    const rows = plot.layout.yaxis.ticktext, right = plot.layout.annotations ? 86 : 8;
    const layout = gibbsite.layout(height, plot.layout);
    layout.margin = { ...layout.margin, r: right, t: plot.layout.showlegend ? 30 : 6 };
    if (rows) Object.assign(layout.legend, { yref: "container", y: 0, yanchor: "bottom", xref: "container", x: 0.02 }) && Object.assign(layout.margin, { t: 6, l: 20, b: 84 });
    place.style.height = `${height}px`;
    return Plotly.react(place, gibbsite.themed(plot.data), layout, config);
  };
  const near = new IntersectionObserver(seen => {
    for (const { target, isIntersecting } of seen) {
      if (!isIntersecting) continue;
      near.unobserve(target);
      const { place, picture } = held.get(target), height = Math.max(150, picture.getBoundingClientRect().height);
      const extra = held.get(target).plot.layout.yaxis.ticktext ? 24 : 0;
      held.set(place, { plot: held.get(target).plot, height: height + extra });
      gibbsite.plotly().then(() => { target.classList.add("on"); draw(place); });
    }
  }, { rootMargin: "300px" });
  const figures = "DecompressionStream" in window ? document.querySelectorAll(".figure") : [];
  for (const figure of figures) {
    const { plots } = JSON.parse(figure.querySelector(":scope > script").textContent);
    figure.querySelectorAll(".panels > figure").forEach((target, number) => {
      if (!plots[number]) return;
      const picture = target.querySelector("svg"), place = document.createElement("div");
      place.className = "live";
      place.setAttribute("role", "img");
      place.setAttribute("aria-label", picture.getAttribute("aria-label"));
      picture.after(place);
      held.set(target, { place, picture, plot: plots[number] });
      near.observe(target);
    });
  }
  gibbsite.dark.addEventListener("change", () => { for (const place of held.keys()) if (held.get(place).height) draw(place); });
})();

(() => {
  // Files: made from what the page holds, so that they are there when the page is sent alone.
  const light = JSON.parse(document.getElementById("palette").textContent), gap = 16, head = 22, across = 4;
  const plain = text => text.replace(/currentColor/g, light.ink).replace(/var\(--(\w+)\)/g, (_, name) => light[name] ?? light.ink);
  const escaped = text => text.replace(/[&<>"]/g, c => `&#${c.charCodeAt(0)};`);
  const box = shape => shape.viewBox ? [shape.viewBox.baseVal.width, shape.viewBox.baseVal.height] : [172, 172];
  // All charts of a figure in one drawing, named, in the light colours.
  const drawing = figure => {
    const charts = [...figure.querySelectorAll(".panels > figure")].map(chart => [chart.querySelector("svg:not(.main-svg), img"), chart.querySelector("b").textContent]);
    const wide = Math.max(...charts.map(([shape]) => box(shape)[0])) + gap, high = Math.max(...charts.map(([shape]) => box(shape)[1])) + head + gap;
    const columns = Math.min(across, charts.length), width = columns * wide + gap, height = Math.ceil(charts.length / columns) * high + gap;
    const inner = charts.map(([shape, name], n) => {
      const [x, y] = [gap + n % columns * wide, gap + Math.floor(n / columns) * high], [w, h] = box(shape);
      const title = `<text x="${x}" y="${y + 12}" font-size="12" font-weight="bold" fill="${light.ink}">${escaped(name)}</text>`;
      if (shape.tagName === "IMG") return `${title}<image x="${x}" y="${y + head}" width="${w}" height="${h}" style="image-rendering:pixelated" href="${shape.src}"/>`;
      return `${title}<svg x="${x}" y="${y + head}" width="${w}" height="${h}" viewBox="0 0 ${w} ${h}">${plain(new XMLSerializer().serializeToString(shape)).replace(/^<svg[^>]*>|<\/svg>$/g, "")}</svg>`;
    });
    const names = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"';
    const text = `<svg ${names} width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="Helvetica, Arial, sans-serif"><rect width="100%" height="100%" fill="white"/>${inner.join("")}</svg>`;
    return { text, width, height };
  };
  const painted = async ({ text, width, height }) => {
    const image = new Image(width, height);
    image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
    await image.decode();
    const canvas = Object.assign(document.createElement("canvas"), { width: 2 * width, height: 2 * height });
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    return new Promise(done => canvas.toBlob(done, "image/png"));
  };
  // The grey levels of every picture, a line each, read from the sheets (frames of one pixel around 8 pictures a row).
  const pixels = figure => {
    const lines = [...figure.querySelectorAll("figure")].flatMap(chart => {
      const sheet = chart.querySelector("img"), canvas = Object.assign(document.createElement("canvas"), { width: sheet.naturalWidth, height: sheet.naturalHeight });
      const pen = canvas.getContext("2d"), wide = (sheet.naturalWidth - 1) / 8, high = sheet.dataset.rows - -1;
      pen.drawImage(sheet, 0, 0);
      return Array.from({ length: 8 * (sheet.naturalHeight - 1) / high }, (_, n) => {
        const grey = pen.getImageData(1 + n % 8 * wide, 1 + Math.floor(n / 8) * high, wide - 1, high - 1).data.filter((_, i) => i % 4 === 0);
        return [chart.querySelector("b").textContent, n + 1, ...grey].join(",");
      });
    });
    return `chart,number,grey levels row by row (0 is ink)\n${lines.join("\n")}\n`;
  };
  const made = {
    svg: async figure => new Blob([drawing(figure).text], { type: "image/svg+xml" }),
    png: async figure => painted(drawing(figure)),
    csv: async figure => {
      const own = JSON.parse(figure.querySelector(":scope > script").textContent).csv;
      const text = own || (figure.querySelector("img") ? pixels(figure) : gibbsite.landscapes(figure.closest("section")));
      return new Blob([text], { type: "text/csv" });
    },
  };
  for (const link of document.querySelectorAll(".files a")) link.addEventListener("click", async event => {
    event.preventDefault();
    const figure = link.closest(".figure");
    gibbsite.give(`${figure.dataset.file}.${link.dataset.kind}`, await made[link.dataset.kind](figure));
  });
})();

(() => {
  // Print: everything that is folded is opened, and folded again afterwards.
  const media = matchMedia("print");
  let closed = [];
  const follow = () => {
    if (media.matches) closed = [...document.querySelectorAll("details:not([open])")];
    for (const fold of closed) fold.open = media.matches;
  };
  media.addEventListener("change", follow);
  follow();
})();

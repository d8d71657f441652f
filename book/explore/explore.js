/* The three explorable figures: plain JavaScript, no library, nothing fetched. The numbers of two of them stand in the
   page, put there by book/build.py out of the figures' CSVs; those of the game are computed here. */
"use strict";
const QMIS = (() => {
  /* ------------------------------------------------------------------------------------------ the normal law */

  /** The complementary error function to about 1e-14 of its value: a series near 0, a continued fraction beyond. */
  function erfc(x) {
    if (x < 0) return 2 - erfc(-x);
    if (x < 2.5) {
      let term = x, sum = x;
      for (let k = 1; term > 1e-17 * sum; k += 1) {
        term *= (2 * x * x) / (2 * k + 1);
        sum += term;
      }
      return 1 - (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
    }
    let fraction = 0;
    for (let k = 120; k > 0; k -= 1) fraction = k / 2 / (x + fraction);
    return Math.exp(-x * x) / (Math.sqrt(Math.PI) * (x + fraction));
  }

  const cdf = (x, mean = 0, sd = 1) => erfc((mean - x) / (sd * Math.SQRT2)) / 2;
  const density = (x, mean = 0, sd = 1) => Math.exp(-(((x - mean) / sd) ** 2) / 2) / (sd * Math.sqrt(2 * Math.PI));

  /** The chance that a normal number falls between two edges, also where both lie far in one tail. */
  const between = (low, high, mean, sd) =>
    low > mean ? cdf(2 * mean - low, mean, sd) - cdf(2 * mean - high, mean, sd) : cdf(high, mean, sd) - cdf(low, mean, sd);

  /* ---------------------------------------------------------------------------------------------- the game of 00 */

  /** The laws of the mean of n standard normal numbers around `mean`, without and with the record z among them. */
  const laws = (n, mean, z) => ({
    out: { mean, sd: 1 / Math.sqrt(n) },
    in: { mean: mean + (z - mean) / n, sd: Math.sqrt(n - 1) / n },
  });

  /** The total variation of the two laws of the exact mean: the law IN is the higher one between two crossings. */
  function exactDistance(n, mean, z) {
    const { out, in: inside } = laws(n, mean, z);
    const a = 1 / inside.sd ** 2 - 1 / out.sd ** 2;
    const b = inside.mean / inside.sd ** 2 - out.mean / out.sd ** 2;
    const c = (inside.mean / inside.sd) ** 2 - (out.mean / out.sd) ** 2 + 2 * Math.log(inside.sd / out.sd);
    const root = Math.sqrt(b * b - a * c);
    const [low, high] = [(b - root) / a, (b + root) / a];
    return between(low, high, inside.mean, inside.sd) - between(low, high, out.mean, out.sd);
  }

  /** The probabilities of the rounded mean, without and with the record, at every multiple of the step that matters. */
  function bars(n, step, mean, z) {
    const { out, in: inside } = laws(n, mean, z);
    const low = Math.min(out.mean, inside.mean) - 8 * out.sd, high = Math.max(out.mean, inside.mean) + 8 * out.sd;
    const list = [];
    for (let k = Math.round(low / step); k <= Math.round(high / step); k += 1) {
      const edges = [(k - 0.5) * step, (k + 0.5) * step];
      list.push({ at: k * step, out: between(...edges, out.mean, out.sd), in: between(...edges, inside.mean, inside.sd) });
    }
    return list;
  }

  const roundedDistance = (n, step, mean, z) =>
    bars(n, step, mean, z).reduce((sum, bar) => sum + Math.abs(bar.in - bar.out) / 2, 0);

  /** The mean of a distance over fresh records z: Delta_n. */
  function overRecords(distance, mean) {
    const width = 0.02;
    let sum = 0;
    for (let t = -7; t < 7 + width / 2; t += width) sum += width * density(t) * distance(mean + t);
    return sum;
  }

  const insecurity = (n, step, mean) => overRecords((z) => roundedDistance(n, step, mean, z), mean);
  const exactInsecurity = (n) => overRecords((z) => exactDistance(n, 0, z), 0);

  /* ----------------------------------------------------------------------------------------------------- words */

  const percent = (share) => `${(100 * share).toFixed(1)} %`;
  const raised = (whole) => String(whole).replace(/./g, (sign) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(sign)]);

  /** A number with three digits, a tiny one as a power of ten. */
  function written(value) {
    if (value === 0) return "0";
    if (value >= 0.001) return value.toPrecision(3);
    const [digits, power] = value.toExponential(2).split("e");
    return `${digits} × 10${raised(Number(power))}`;
  }

  /* --------------------------------------------------------------------------------------------------- drawing */

  const element = (name, attributes = {}, text = "") => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.textContent = text;
    return made;
  };

  /** A place for marks with two axes; x and y turn numbers into pixels. It is drawn in the pixels of its box. */
  function panel(svg, { x, y, height = 260, logX = false, logY = false, title, labelX, labelY, ticksX, ticksY, left = 54 }) {
    const width = Math.max(240, Math.round(svg.parentElement.clientWidth));
    const box = { left, right: width - 12, top: 30, bottom: height - 44 };
    const scale = (range, low, high, log) => {
      const [from, to] = log ? range.map(Math.log) : range;
      return (value) => low + ((high - low) * ((log ? Math.log(value) : value) - from)) / (to - from);
    };
    const place = { svg, box, width, x: scale(x, box.left, box.right, logX), y: scale(y, box.bottom, box.top, logY) };
    svg.replaceChildren();
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("height", height);
    place.add = (name, attributes, text) => svg.appendChild(element(name, attributes, text));
    place.add("text", { x: 4, y: 15, class: "title" }, title);
    place.add("path", { class: "axis", d: `M${box.left},${box.top}V${box.bottom}H${box.right}` });
    for (const [value, text] of ticksX) {
      const at = place.x(value);
      place.add("path", { class: "axis", d: `M${at},${box.bottom}v4` });
      place.add("text", { x: at, y: box.bottom + 17, "text-anchor": "middle" }, text);
    }
    for (const [value, text] of ticksY) {
      const at = place.y(value);
      place.add("path", { class: "axis", d: `M${box.left},${at}h-4` });
      place.add("text", { x: box.left - 7, y: at + 4, "text-anchor": "end" }, text);
    }
    place.add("text", { x: (box.left + box.right) / 2, y: height - 8, "text-anchor": "middle" }, labelX);
    if (labelY) {
      const middle = (box.top + box.bottom) / 2;
      const turned = { x: 12, y: middle, "text-anchor": "middle", transform: `rotate(-90 12 ${middle})` };
      place.add("text", turned, labelY);
    }
    return place;
  }

  /** Round marks of an axis between two numbers: about `count` of them. */
  function ticks(low, high, count = 5) {
    const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough);
    const list = [];
    for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k += 1)
      list.push([k * step, String(Number((k * step).toPrecision(6)))]);
    return list;
  }

  const powers = (low, high, every = 1) => {
    const list = [];
    for (let k = Math.ceil(Math.log10(low) - 1e-9); k <= Math.log10(high) + 1e-9; k += every)
      list.push([10 ** k, k === 0 ? "1" : `10${raised(k)}`]);
    return list;
  };

  const line = (points) => points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)},${y.toFixed(1)}`).join("");

  /** Connect the inputs of a figure: `draw` is called at once, when one changes, and when the width changes. */
  function connect(root, draw) {
    const inputs = Object.fromEntries([...root.querySelectorAll("input[id], select[id]")].map((input) => [input.id.split("-")[1], input]));
    const show = (name, text) => {
      for (const place of root.querySelectorAll(`[data-show="${name}"]`)) if (place.textContent !== text) place.textContent = text;
    };
    const redraw = () => draw(inputs, show);
    root.addEventListener("input", redraw);
    let width = 0;
    new ResizeObserver(() => {
      if (root.clientWidth !== width) {
        width = root.clientWidth;
        redraw();
      }
    }).observe(root);
    return { inputs, redraw };
  }

  /** Call `choose(x, y)`, in pixels of the picture, where a mouse hovers or a finger taps or draws. */
  function point(svg, choose) {
    const told = (event) => {
      if (event.type === "pointermove" && event.pointerType !== "mouse" && !event.buttons) return;
      const box = svg.getBoundingClientRect(), scale = svg.viewBox.baseVal.width / box.width;
      choose((event.clientX - box.left) * scale, (event.clientY - box.top) * scale);
    };
    svg.addEventListener("pointerdown", told);
    svg.addEventListener("pointermove", told);
  }

  const nearest = (list, distance) => list.reduce((best, _, i) => (distance(list[i]) < distance(list[best]) ? i : best), 0);
  const data = (name) => JSON.parse(document.getElementById(`${name}-data`).textContent);

  /* --------------------------------------------------------------------------------------------- figure 1: game */

  function game() {
    const root = document.getElementById("game"), mean = data("game").mean;
    const [left, right] = root.querySelectorAll("svg");
    const known = new Map(); // what is averaged over records does not depend on z
    const once = (key, compute) => known.get(key) ?? known.set(key, compute()).get(key);

    connect(root, (inputs, show) => {
      const [z, n, step] = ["z", "n", "step"].map((name) => Number(inputs[name].value));
      const { out, in: inside } = laws(n, mean, z);
      const distances = {
        exact: exactDistance(n, mean, z),
        rounded: roundedDistance(n, step, mean, z),
        "exact-all": once(`${n}`, () => exactInsecurity(n)),
        "rounded-all": once(`${n} ${step}`, () => insecurity(n, step, mean)),
      };
      for (const [name, distance] of Object.entries(distances)) show(name, percent((1 + distance) / 2));
      for (const [name, value] of Object.entries({ z, n, step })) show(name, String(value));

      const list = bars(n, step, mean, z).filter((bar) => Math.max(bar.in, bar.out) > 0.002);
      const reach = Math.max(3.6 * out.sd, ...list.map((bar) => Math.abs(bar.at - mean) + 0.4 * step));
      const x = [mean - reach, mean + reach];
      const grid = Array.from({ length: 161 }, (_, i) => x[0] + ((x[1] - x[0]) * i) / 160);
      const top = 1.08 * Math.max(density(0, 0, out.sd), density(0, 0, inside.sd));
      const axes = { x, labelX: "released mean", ticksX: ticks(...x, 5) };
      const exact = panel(left, { ...axes, y: [0, top], title: `Exact: right in ${percent((1 + distances.exact) / 2)}`, labelY: "density", ticksY: ticks(0, top, 4) });
      for (const [name, law] of [["out", out], ["in", inside]]) {
        const curve = line(grid.map((value) => [exact.x(value), exact.y(density(value, law.mean, law.sd))]));
        exact.add("path", { class: `area ${name}`, d: `${curve}V${exact.box.bottom}H${exact.box.left}Z` });
        exact.add("path", { class: `curve ${name}`, d: curve });
      }
      const most = 1.08 * Math.max(...list.flatMap((bar) => [bar.in, bar.out]));
      const rounded = panel(right, { ...axes, y: [0, most], title: `Rounded: right in ${percent((1 + distances.rounded) / 2)}`, labelY: "probability", ticksY: ticks(0, most, 4) });
      const width = Math.min(22, Math.max(1, 0.36 * (rounded.x(step) - rounded.x(0))));
      for (const bar of list)
        for (const [name, shift] of [["out", -width], ["in", 0]])
          rounded.add("rect", {
            class: name, x: rounded.x(bar.at) + shift, y: rounded.y(bar[name]), width, height: rounded.box.bottom - rounded.y(bar[name]),
          });
    });
  }

  /* ------------------------------------------------------------------------------------ figure 2: phase diagram */

  const VIRIDIS = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
  function shade(share) {
    const at = Math.min(0.9999, Math.max(0, share)) * (VIRIDIS.length - 1), k = Math.floor(at);
    return `rgb(${VIRIDIS[k].map((from, i) => Math.round(from + (at - k) * (VIRIDIS[k + 1][i] - from)))})`;
  }

  function phase() {
    const root = document.getElementById("phase"), columns = data("phase");
    const rows = columns.n.map((_, i) => Object.fromEntries(Object.keys(columns).map((name) => [name, columns[name][i]])));
    const [map, slice] = root.querySelectorAll("svg");
    const values = (name) => [...new Set(rows.map((row) => row[name]))].sort((a, b) => a - b);
    const [means, ns, steps] = ["mean", "n", "step"].map(values);
    const table = new Map(rows.map((row) => [`${row.mean} ${row.n} ${row.step}`, row]));
    const FLOOR = 1e-12;
    const spread = (list) => list.map((value, i) => [ // the edges of the cell around each value, in logarithms
      Math.sqrt(value * (list[i - 1] ?? (value * value) / list[i + 1])), Math.sqrt(value * (list[i + 1] ?? (value * value) / list[i - 1]))]);
    const [edgesN, edgesStep] = [spread(ns), spread(steps)];
    for (const [name, list, first] of [["n", ns, 100], ["step", steps, 0.5]]) {
      const input = document.getElementById(`phase-${name}`);
      input.max = list.length - 1;
      input.value = nearest(list, (value) => Math.abs(Math.log(value / first)));
    }
    document.getElementById("phase-mean").max = means.length - 1;
    let place, drawn; // the map, and the mean and width that it was drawn for

    const chart = connect(root, (inputs, show) => {
      const mean = means[inputs.mean.value], n = ns[inputs.n.value], step = steps[inputs.step.value];
      const row = table.get(`${mean} ${n} ${step}`);
      for (const [name, value] of Object.entries({ mean, n, step })) {
        show(name, String(value));
        inputs[name].setAttribute("aria-valuetext", String(value));
      }
      show("insecurity", written(row.insecurity));
      show("full", written(row.full_precision));
      show("share", written(row.insecurity / row.full_precision));

      const wanted = `${mean} ${map.parentElement.clientWidth}`;
      if (drawn !== wanted) {
        place = panel(map, {
          x: [edgesN[0][0], edgesN.at(-1)[1]], y: [edgesStep[0][0], edgesStep.at(-1)[1]], logX: true, logY: true, height: 330,
          title: `Insecurity, mean ${mean}`, labelX: "records n", labelY: "grid step",
          ticksX: powers(ns[0], ns.at(-1)), ticksY: [0.05, 0.1, 0.2, 0.5, 1, 2, 5].filter((v) => v >= steps[0] && v <= steps.at(-1)).map((v) => [v, String(v)]),
        });
        ns.forEach((across, i) => steps.forEach((up, j) => {
          const cell = table.get(`${mean} ${across} ${up}`);
          const [x, right] = edgesN[i].map(place.x), [bottom, y] = edgesStep[j].map(place.y);
          place.add("rect", { x, y, width: right - x + 0.4, height: bottom - y + 0.4, fill: shade(1 + Math.log10(Math.max(cell.insecurity, FLOOR)) / 12) });
        }));
        place.mark = place.add("rect", { class: "mark" });
        drawn = wanted;
      }
      const [x, right] = edgesN[inputs.n.value].map(place.x), [bottom, y] = edgesStep[inputs.step.value].map(place.y);
      for (const [name, value] of Object.entries({ x, y, width: right - x, height: bottom - y })) place.mark.setAttribute(name, value);

      const along = steps.map((width) => table.get(`${mean} ${n} ${width}`));
      const low = Math.max(FLOOR, Math.min(1e-3, ...along.map((cell) => cell.insecurity)) / 2);
      const cut = panel(slice, {
        x: [steps[0], steps.at(-1)], y: [low, 1], logX: true, logY: true, height: 330,
        title: `Slice at n = ${n}`, labelX: "grid step", labelY: "insecurity",
        ticksX: [0.05, 0.1, 0.2, 0.5, 1, 2, 5].filter((v) => v >= steps[0] && v <= steps.at(-1)).map((v) => [v, String(v)]),
        ticksY: powers(low, 1, low < 1e-7 ? 3 : 1),
      });
      const full = cut.y(row.full_precision);
      cut.add("path", { class: "curve reference", d: `M${cut.box.left},${full}H${cut.box.right}` });
      cut.add("text", { x: cut.box.right, y: full - 5, "text-anchor": "end" }, "full precision");
      cut.add("path", { class: "curve out", d: line(along.map((cell) => [cut.x(cell.step), cut.y(Math.max(cell.insecurity, low))])) });
      for (const cell of along) cut.add("circle", { class: "out", cx: cut.x(cell.step), cy: cut.y(Math.max(cell.insecurity, low)), r: 2.5 });
      cut.add("circle", { class: "mark", cx: cut.x(step), cy: cut.y(Math.max(row.insecurity, low)), r: 7 });
    });

    const choose = (name, index) => {
      if (String(index) !== chart.inputs[name].value) {
        chart.inputs[name].value = index;
        chart.redraw();
      }
    };
    point(map, (x, y) => {
      choose("n", nearest(ns, (n) => Math.abs(place.x(n) - x)));
      choose("step", nearest(steps, (step) => Math.abs(place.y(step) - y)));
    });
    point(slice, (x) => {
      const [first, last] = [54, slice.viewBox.baseVal.width - 12];
      const share = (step) => first + ((last - first) * Math.log(step / steps[0])) / Math.log(steps.at(-1) / steps[0]);
      choose("step", nearest(steps, (step) => Math.abs(share(step) - x)));
    });
  }

  /* -------------------------------------------------------------------------------------- figure 3: one network */

  function network() {
    const root = document.getElementById("network"), { quantizers, releases, initialisations } = data("network");
    const [svg] = root.querySelectorAll("svg");
    const select = root.querySelector("select");
    for (const [i, { label }] of quantizers.entries()) select.add(new Option(label, i));
    let spots = []; // the point of each quantizer, in pixels

    const chart = connect(root, (inputs, show) => {
      const [release, init] = ["release", "init"].map((name) => root.querySelector(`input[name=${name}]:checked`).value);
      const known = (quantizer) => quantizer[init]?.[release] ?? {};
      const use = (quantizer) => quantizer[init].utility;
      const chosen = quantizers[inputs.quantizer.value], attack = known(chosen);
      const interval = ({ low, high }) => `${low.toFixed(3)} to ${high.toFixed(3)}`;
      show("quantizer", chosen.label);
      show("release", releases[release]);
      show("init", initialisations[init].split(",")[0]);
      show("utility", percent(use(chosen).value));
      show("utility-interval", `${percent(use(chosen).low)} to ${percent(use(chosen).high)}`);
      show("auc", attack.value === undefined ? "not measured" : attack.value.toFixed(3));
      show("auc-interval", attack.value === undefined ? "" : interval(attack));
      show("predicted", attack.predicted === undefined ? "none for this release" : attack.predicted.toFixed(3));

      const every = Object.keys(initialisations).flatMap((name) => quantizers.map((quantizer) => quantizer[name])); // axes stay
      const all = Object.keys(releases).flatMap((name) => every.map((values) => values[name]).filter(Boolean));
      const x = [Math.min(0.5, ...all.map(({ low }) => low)) - 0.01, Math.max(...all.map(({ high }) => high)) + 0.02];
      const utilities = every.map(({ utility }) => utility);
      const y = [Math.min(...utilities.map(({ low }) => low)) - 0.02, Math.max(...utilities.map(({ high }) => high)) + 0.02];
      const place = panel(svg, {
        x, y, height: 380, title: `An attacker who sees ${releases[release]}`, labelX: "AUC of the attack (left is private)", labelY: "accuracy",
        ticksX: ticks(...x, 5), ticksY: ticks(...y, 5),
      });
      spots = quantizers.map((quantizer) => known(quantizer).value && [place.x(known(quantizer).value), place.y(use(quantizer).value)]);
      quantizers.forEach((quantizer, i) => {
        if (!spots[i]) return;
        const [cx, cy] = spots[i], { low, high, predicted } = known(quantizer), here = quantizer === chosen;
        const state = here ? "chosen" : "other";
        place.add("path", { class: `whisker ${state}`, d: `M${place.x(low)},${cy}H${place.x(high)}M${cx},${place.y(use(quantizer).low)}V${place.y(use(quantizer).high)}` });
        place.add("circle", { class: state, cx, cy, r: here ? 7 : 5, style: `--look: ${quantizer.color}` });
        if (!here) return;
        const end = cx > (place.box.left + place.box.right) / 2;
        place.add("text", { class: "title", x: cx + (end ? -12 : 12), y: cy - 10, "text-anchor": end ? "end" : "start" }, quantizer.label);
        if (predicted !== undefined) {
          const at = place.x(predicted);
          place.add("path", { class: "predicted", d: `M${at},${cy - 9}l7,9l-7,9l-7,-9Z` });
        }
      });
    });
    point(svg, (x, y) => {
      const far = (spot) => (spot ? Math.hypot(spot[0] - x, spot[1] - y) : Infinity), i = nearest(spots, far);
      if (far(spots[i]) < 24 && String(i) !== chart.inputs.quantizer.value) {
        chart.inputs.quantizer.value = i;
        chart.redraw();
      }
    });
  }

  return { erfc, cdf, exactDistance, roundedDistance, insecurity, exactInsecurity, game, phase, network };
})();

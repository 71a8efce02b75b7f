// The charts of a report: drawn by plotly when they come into view.
"use strict";

(() => {
  const { make, number, json, select } = facebench;
  const dashes = ["solid", "dot", "dash", "dashdot", "longdash"];

  let unpacked = null;
  const plotly = () => {
    unpacked ??= (async () => {
      const packed = document.getElementById("plotly-packed").textContent;
      const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
      const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
      const source = await new Response(stream).text();
      document.head.append(make("script", {}, source));
      return window.Plotly;
    })();
    return unpacked;
  };

  const parsed = new Map();
  const dataOf = (task) => {
    if (!parsed.has(task)) parsed.set(task, json(document.getElementById(`${task}-data`)));
    return parsed.get(task);
  };
  let urls = null;
  const picture = (place) => {
    urls ??= json(document.getElementById("pictures")) ?? [];
    return place === null || place === undefined ? null : urls[place];
  };

  let colors = null;
  const colorsOf = () => {
    colors ??= json(document.getElementById("colors")) ?? { models: {}, people: ["#b5651d"] };
    return colors;
  };

  // plotly reads some tags and entities in its texts; names are shown as they are written.
  const plain = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  const short = (text, most = 28) => text.length > most ? `${text.slice(0, most - 1)}…` : text;
  const named = ({ model, layer }) => layer === "default" ? model : `${model}: ${layer}`;

  const wrapped = (text, most = 40) => {
    const lines = [""];
    for (const word of String(text).split(" ")) {
      const longer = `${lines.at(-1)} ${word}`.trim();
      if (longer.length > most && lines.at(-1)) lines.push(word);
      else lines[lines.length - 1] = longer;
    }
    return lines.map((line) => plain(short(line, most + 6))).join("<br>");
  };

  // A picture that is saved is for white paper, whatever the page looks like.
  const paper = { paper: "#ffffff", raised: "#f6f7f9", ink: "#1d2126", soft: "#535b66", line: "#868e99", accent: "#0072b2", grid: "#e6e8ec", first: "#0072b2", second: "#c25a00" };
  let onPaper = false;
  const color = (name) => onPaper ? paper[name] : getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const faint = (tone, share) => `rgba(${[1, 3, 5].map((at) => parseInt(tone.slice(at, at + 2), 16)).join(",")},${share})`;
  const isNarrow = (figure) => figure.clientWidth < 460;
  // Few labels of conditions are wrapped; plotly turns many.
  const ticks = (names, figure) => ({
    tickvals: names.map((_, i) => i), ticklabeloverflow: "allow",
    ticktext: names.map((name) => names.length > 4 ? plain(short(name, isNarrow(figure) ? 14 : 22)) : wrapped(short(name, 36), isNarrow(figure) ? 10 : 16)),
  });
  const axis = (title, more = {}, most = 40) => ({
    title: { text: wrapped(title, most), standoff: 8 }, gridcolor: color("grid"), linecolor: color("line"),
    zerolinecolor: color("line"), automargin: true, ...more,
  });
  const layout = (x, y, more = {}) => ({
    xaxis: x, yaxis: y, height: 380, margin: { l: 56, r: 12, t: 40, b: 48 },
    paper_bgcolor: "transparent", plot_bgcolor: "transparent",
    font: { family: "system-ui, sans-serif", size: 12, color: color("ink") },
    showlegend: false,
    modebar: { bgcolor: color("paper"), color: color("soft"), activecolor: color("accent") },
    hoverlabel: { bgcolor: color("raised"), bordercolor: color("line"), font: { color: color("ink") }, align: "left" },
    hovermode: "closest", ...more,
  });
  // What a measure is to be seen against: chance, noise ceiling, people. Shapes, named in the legend.
  const brief = (value) => String(Number(value.toPrecision(3))).replace(/-/g, "−");
  const levelText = ({ value = null, low = null, high = null }) => {
    if ([value, low, high].some(Array.isArray)) return "by condition";
    if (value === null) return `${brief(low)} – ${brief(high)}`;
    return low === null ? brief(value) : `${brief(value)} (${brief(low)} – ${brief(high)})`;
  };
  const against = (levels, series = [], way = "y") => {
    const other = way === "y" ? "x" : "y";
    let nth = 0;
    const all = (levels ?? []).map((level) => {
      const isPeople = level.kind === "people" || level.kind === "published";
      const people = colorsOf().people;
      const tone = isPeople ? people[nth++ % people.length] : color(level.kind === "ceiling" ? "ink" : "soft");
      const dash = { chance: "dot", published: "dot", ceiling: "dash" }[level.kind] ?? "solid";
      const name = `${level.name}${level.kind === "published" ? " (published)" : ""}: ${levelText(level)}`;
      return { ...level, tone, dash, name, hasBand: (level.low ?? null) !== null };
    });
    const shapes = all.flatMap((level) => {
      const parts = [level.value, level.low, level.high].find(Array.isArray) ?? [null];
      return parts.flatMap((_, i) => {
        const at = (end) => Array.isArray(level[end]) ? level[end][i] ?? null : level[end] ?? null;
        const across = parts[0] === null && parts.length === 1 ? { [`${other}ref`]: "paper", [`${other}0`]: 0, [`${other}1`]: 1 } : { [`${other}0`]: i - .46, [`${other}1`]: i + .46 };
        const first = i === 0 ? { showlegend: true, name: plain(level.name) } : {};
        const made = [];
        if (at("low") !== null && at("high") !== null) made.push({ ...across, ...first, type: "rect", layer: "below", [`${way}0`]: at("low"), [`${way}1`]: at("high"), fillcolor: faint(level.tone, .16), line: { width: at("value") === null ? 1 : 0, color: level.tone, dash: level.dash } });
        if (at("value") !== null) made.push({ ...across, ...(made.length ? {} : first), type: "line", layer: "below", [`${way}0`]: at("value"), [`${way}1`]: at("value"), line: { color: level.tone, width: 1.5, dash: level.dash } });
        return made;
      });
    });
    // A line on the edge of a chart is seen badly.
    const ends = all.flatMap(({ value, low, high }) => [value, low, high].flat()).filter(Number.isFinite);
    const whole = [...ends, ...series.flatMap(({ value, low, high }) => [...value, ...low, ...high]).filter(Number.isFinite)];
    const pad = .04 * (Math.max(...whole) - Math.min(...whole) || 1);
    const room = ends.length ? { autorangeoptions: { include: [Math.min(...ends) - pad, Math.max(...ends) + pad] } } : {};
    return { shapes, levels: all, room };
  };
  // No button may send a chart of somebody's faces anywhere.
  const settings = { displaylogo: false, responsive: true, showSendToCloud: false, plotlyServerURL: "", modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "toImage"] };

  // A legend of buttons, which the keyboard reaches: each shows or hides its line. Levels follow.
  const swatch = ({ tone, dash, bar = false, band = false, hatch = false }) => {
    const space = "http://www.w3.org/2000/svg";
    const svg = document.createElementNS(space, "svg");
    for (const [name, value] of Object.entries({ width: 26, height: 10, "aria-hidden": "true" })) svg.setAttribute(name, value);
    const strokes = { dot: "2 3", dash: "7 4", dashdot: "7 3 2 3", longdash: "11 4" };
    const path = (attributes) => {
      const drawn = document.createElementNS(space, "path");
      for (const [name, value] of Object.entries({ d: "M1 5H25", stroke: tone, ...attributes })) drawn.setAttribute(name, value);
      svg.append(drawn);
    };
    if (band) path({ "stroke-width": 9, "stroke-opacity": .25 });
    path({ "stroke-width": bar ? 9 : 2.5, "stroke-dasharray": hatch ? "3 2" : strokes[dash] ?? "none" });
    return svg;
  };
  const legend = (figure, { key, traces, levels }) => {
    const plot = figure.querySelector(".plot");
    const groups = new Map();
    if (key) traces.forEach((trace, i) => groups.set(trace.legendgroup, [...groups.get(trace.legendgroup) ?? [], i]));
    const buttons = [...groups.values()].map((places) => {
      const trace = traces[places[0]];
      const look = { tone: trace.line?.color ?? trace.marker.color, dash: trace.line?.dash, bar: trace.type === "bar", hatch: Boolean(trace.marker?.pattern?.shape) };
      const button = make("button", { type: "button", "aria-pressed": trace.visible !== "legendonly" }, swatch(look), trace.label ?? trace.name);
      button.addEventListener("click", () => {
        const shown = button.getAttribute("aria-pressed") !== "true";
        button.setAttribute("aria-pressed", shown);
        window.Plotly.restyle(plot, { visible: shown ? true : "legendonly" }, places);
      });
      return button;
    });
    const lines = (levels ?? []).map((level) => make("span", { class: "level" }, swatch({ tone: level.tone, dash: level.dash, band: level.hasBand }), level.name));
    figure.querySelector(".key").replaceChildren(...buttons, ...lines);
  };

  // The colour of a model is that of the whole run; further layers of it, and the ninth model, are
  // told by their dash. Further layers wait in the legend.
  const styled = (series) => {
    const seen = {};
    let nPeople = 0;
    return series.map((one) => {
      const { models, people } = colorsOf();
      const [tone, round] = one.people ? [people[nPeople++ % people.length], 0] : models[one.first ?? one.model] ?? [color("soft"), 0];
      const nth = (seen[one.model] = (seen[one.model] ?? -1) + 1);
      return { ...one, label: named(one), name: plain(short(named(one))), leads: nth === 0, color: tone, round, dash: dashes[(nth + round) % dashes.length] };
    });
  };
  const errors = (one, more = {}) => ({
    type: "data", symmetric: false, thickness: 1.2, width: 3, ...more,
    array: one.high.map((high, i) => high === null || one.value[i] === null ? 0 : high - one.value[i]),
    arrayminus: one.low.map((low, i) => low === null || one.value[i] === null ? 0 : one.value[i] - low),
  });
  const told = (one, i) => one.low[i] === null || one.high[i] === null ? number(one.value[i]) : `${number(one.value[i])} (${number(one.low[i])} – ${number(one.high[i])})`;

  // Whiskers of a few points; of many a ribbon, a polygon for each stretch that has an interval.
  const mostWhiskers = 12, mostBars = 160;
  const symbols = ["circle", "diamond", "square", "cross"];
  const withInterval = (one, x, trace) => {
    const drawn = { ...trace, legendgroup: one.label, name: one.name, label: one.label, x, y: one.value, connectgaps: false };
    if (x.length <= mostWhiskers) return [{ ...drawn, error_y: errors(one, { color: one.color, thickness: 1, width: 2 }) }];
    const around = { x: [], y: [] };
    for (let start = 0; start < x.length; start += 1) {
      let end = start;
      while (end < x.length && one.low[end] !== null && one.high[end] !== null) end += 1;
      if (end === start) continue;
      const there = x.slice(start, end);
      around.x.push(...there, ...[...there].reverse(), null);
      around.y.push(...one.low.slice(start, end), ...one.high.slice(start, end).reverse(), null);
      start = end;
    }
    const ribbon = { type: "scatter", mode: "lines", legendgroup: one.label, showlegend: false, hoverinfo: "skip", ...around, fill: "toself", fillcolor: faint(one.color, .18), line: { width: 0, color: one.color } };
    return [drawn, ...(around.x.length ? [ribbon] : [])];
  };
  const nothing = (lines, said) => lines.some((one) => one.value.some((value) => value !== null)) ? {} : { annotations: [{ text: said, showarrow: false, xref: "paper", yref: "paper", x: .5, y: .5, font: { color: color("soft") } }] };
  const measured = (all) => [["Measure", all.map((one) => one.condition ? `${one.measure}: ${one.condition}` : one.measure)]];

  const rates = ({ curve }) => ({
    fmr: curve.false_matches.map((count) => count / curve.totals[1]),
    fnmr: curve.misses.map((count) => count / curve.totals[0]),
  });
  const ratesTable = (all) => ({
    head: ["Layer", "FMR", "FNMR"],
    rows: all.flatMap((one) => { const { fmr, fnmr } = rates(one); return fmr.map((x, i) => [named(one), x, fnmr[i]]); }),
  });
  const errorless = ({ curve }) => `no errors among ${curve.totals[0].toLocaleString("en")} genuine and ${curve.totals[1].toLocaleString("en")} impostor pairs (95\u00a0%: FNMR ≤ ${number(curve.bounds[0])}, FMR ≤ ${number(curve.bounds[1])})`;
  const rateAxis = (floor) => ({ type: "log", range: [Math.log10(floor), .02], exponentformat: "power", dtick: 1, minor: { showgrid: true, gridcolor: color("grid") } });
  const curves = (all, isDet) => {
    const drawn = styled(all);
    // Axes end where half a pair would be.
    const floors = [1, 0].map((kind) => .5 / Math.max(...all.map(({ curve }) => curve.totals[kind])));
    const value = (x) => isDet ? x : 1 - x;
    let least = 1;
    const traces = drawn.flatMap((one) => {
      const { fmr, fnmr } = rates(one);
      const kept = fmr.map((_, i) => i).filter((i) => fmr[i] > 0 && (!isDet || fnmr[i] > 0));
      const perfect = one.curve.bounds;
      const label = perfect ? `${one.label}: ${errorless(one)}` : one.label;
      const common = { type: "scatter", mode: "lines", legendgroup: one.label, visible: one.leads ? true : "legendonly" };
      if (!isDet) least = Math.min(least, ...kept.map((i) => 1 - fnmr[i]), ...(perfect ? [1 - perfect[0]] : []));
      const line = {
        ...common, name: one.name, label,
        x: kept.length ? kept.map((i) => fmr[i]) : [null], y: kept.length ? kept.map((i) => value(fnmr[i])) : [null],
        line: { color: one.color, dash: one.dash, width: 2, shape: "hv" },
        hovertemplate: `%{fullData.name}<br>FMR %{x:.3g}<br>${isDet ? "FNMR" : "TMR"} %{y:.4f}<extra></extra>`,
      };
      if (!perfect) return [line];
      // Without errors there is no curve, but a corner that the intervals leave open.
      const low = isDet ? floors[1] : 1;
      const high = value(perfect[0]);
      const corner = { ...common, showlegend: false, x: [floors[0], perfect[1], perfect[1], floors[0], floors[0]], y: [low, low, high, high, low], fill: "toself", fillcolor: faint(one.color, .2), line: { color: one.color, dash: "dot", width: 1 }, hoveron: "fills", hoverinfo: "text", text: `${one.name}: ${errorless(one)}` };
      return [line, corner];
    });
    const curved = traces.some((trace) => trace.fill || trace.x.length > 1);
    const none = curved ? {} : { annotations: [{ text: "No curve: no threshold lies between these pairs.", showarrow: false, xref: "paper", yref: "paper", x: .5, y: .5, font: { color: color("soft") } }] };
    const bottom = curved ? Math.max(0, Math.min(least - .05 * (1 - least), .98)) : 0;
    const yAxis = isDet ? rateAxis(floors[1]) : { range: [bottom, 1 + .03 * (1 - bottom)], zeroline: false };
    return { traces, table: ratesTable(all), key: true, layout: layout(axis("False match rate (FMR)", rateAxis(floors[0])), axis(isDet ? "False non-match rate (FNMR)" : "True match rate (TMR)", yAxis), none) };
  };

  const charts = {
    roc: { pick: (data) => data.verification, draw: (all) => curves(all, false) },
    det: { pick: (data) => data.verification, draw: (all) => curves(all, true) },

    profile: {
      pick: (data) => data.profiles,
      choices: measured,
      draw: (all, [chosen]) => {
        const { label, lines, levels } = all[chosen];
        const alike = lines.every((line) => JSON.stringify(line.layers) === JSON.stringify(lines[0].layers));
        // As in the figures of the run: names of layers where all models share a few, else depth.
        const byName = alike && lines[0].layers.length <= 16;
        const traces = styled(lines.map((line) => ({ ...line, layer: "default" }))).flatMap((line) => withInterval(line, byName ? line.layers.map((_, i) => i) : line.depth, {
          type: "scatter", mode: "lines+markers",
          text: line.layers.map((layer, i) => `${line.name}<br>${plain(layer)} (depth ${line.depth[i].toFixed(2)})<br>${told(line, i)}`), hoverinfo: "text",
          line: { color: line.color, dash: line.dash, width: 2 }, marker: { size: line.layers.length === 1 ? 9 : 5 },
        }));
        const x = byName ? axis("Layer, in network order", { tickvals: lines[0].layers.map((_, i) => i), ticktext: lines[0].layers.map((layer) => plain(short(layer, 16))), zeroline: false })
          : axis("Relative depth (0 first layer, 1 last)", { range: [-.03, 1.03], zeroline: false });
        const seen = against(levels, lines);
        return {
          traces, key: true, levels: seen.levels, layout: layout(x, axis(label, seen.room), { shapes: seen.shapes, ...nothing(lines, "No layer has a value.") }),
          table: { head: ["Model", "Layer", "Relative depth", label, "95 % from", "to"], rows: lines.flatMap((line) => line.layers.map((layer, i) => [line.model, layer, line.depth[i], line.value[i], line.low[i], line.high[i]])) },
        };
      },
    },

    training: {
      pick: (data) => data.training,
      choices: measured,
      draw: (all, [chosen]) => {
        const { label, lines, xlabel, log, levels } = all[chosen];
        const traces = styled(lines).flatMap((line) => withInterval(line, line.x, {
          type: "scatter", mode: "lines+markers",
          text: line.x.map((x, i) => `${line.name}<br>${plain(xlabel)} ${number(x)}<br>${told(line, i)}`), hoverinfo: "text",
          line: { color: line.color, dash: line.dash, width: 2 }, marker: { size: 6 },
        }));
        const seen = against(levels, lines);
        return {
          traces, key: true, levels: seen.levels, layout: layout(axis(xlabel, log ? { type: "log" } : { zeroline: false }), axis(label, seen.room), { shapes: seen.shapes, ...nothing(lines, "No checkpoint has a value.") }),
          table: { head: ["Series", "Layer", xlabel, label, "95 % from", "to"], rows: lines.flatMap((line) => line.x.map((x, i) => [line.model, line.layer, x, line.value[i], line.low[i], line.high[i]])) },
        };
      },
    },

    conditions: {
      pick: (data) => data.conditions,
      choices: measured,
      draw: (all, [chosen], figure) => {
        const { label, conditions, series, levels } = all[chosen];
        const drawn = styled(series);
        const table = { head: ["Model", "Layer", "Condition", label, "95 % from", "to"], rows: series.flatMap((one) => conditions.map((name, i) => [one.model, one.layer, name || "–", one.value[i], one.low[i], one.high[i]])) };
        const none = nothing(series, "No model has a value.");
        if (conditions.length > 1) {
          const traces = drawn.map((one) => ({
            type: "bar", name: one.name, label: one.label, legendgroup: one.label, x: conditions.map((_, i) => i), y: one.value, error_y: errors(one, { color: color("ink") }),
            marker: { color: one.color, pattern: { shape: ["", "/", ".", "x"][one.round] ?? "", solidity: .4 } }, hoverinfo: "text", textposition: "none",
            text: conditions.map((name, i) => `${one.name}<br>${plain(name)}<br>${told(one, i)}`),
          }));
          const x = axis("Condition", { ...ticks(conditions, figure), zeroline: false });
          const seen = against(levels, series);
          const nBars = conditions.length * series.length;
          // More bars than pixels: a dot each, beside one another.
          if (nBars > mostBars) {
            traces.forEach((trace, nth) => Object.assign(trace, {
              type: "scatter", mode: "markers", x: conditions.map((_, i) => i + .8 * ((nth + .5) / series.length - .5)),
              marker: { color: trace.marker.color, size: 5, symbol: symbols[drawn[nth].round] ?? "circle" }, error_y: errors(drawn[nth], { color: trace.marker.color, thickness: .6, width: 0 }), textposition: undefined,
            }));
          }
          return { traces, table, key: true, levels: seen.levels, wide: nBars > 36, layout: layout(x, axis(label, seen.room), { barmode: "group", bargap: .25, shapes: seen.shapes, ...none }) };
        }
        const places = drawn.map((_, i) => drawn.length - 1 - i);
        const traces = drawn.map((one, i) => ({
          type: "scatter", mode: "markers", name: one.name, label: one.label, legendgroup: one.label, x: one.value, y: [places[i]], marker: { color: one.color, size: 11, symbol: symbols[one.round] ?? "circle" },
          error_x: errors(one, { color: one.color, thickness: 2 }), text: [`${one.name}<br>${told(one, 0)}`], hoverinfo: "text",
        }));
        const y = axis("", { tickvals: places, ticktext: drawn.map((one) => isNarrow(figure) ? plain(short(one.label, 18)) : one.name), range: [-.6, drawn.length - .4], zeroline: false });
        const seen = against(levels, series, "x");
        return { traces, table, levels: seen.levels, layout: layout(axis(label, { zeroline: true, ...seen.room }, isNarrow(figure) ? 24 : 40), y, { height: Math.max(210, 110 + 36 * drawn.length), shapes: seen.shapes, ...none }) };
      },
    },

    effect: {
      pick: (data) => data.effect,
      draw: ({ label, conditions, series, levels }, _, figure) => {
        const drawn = styled(series);
        // Side by side, so that intervals of several models do not overlap.
        const aside = (i) => drawn.length > 1 ? .3 * (i / (drawn.length - 1) - .5) : 0;
        const traces = drawn.map((one, nth) => ({
          type: "scatter", mode: "lines+markers", name: one.name, label: one.label, legendgroup: one.label, x: conditions.map((_, i) => i + aside(nth)), y: one.value,
          text: conditions.map((name, i) => `${one.name}<br>${plain(name)}<br>${told(one, i)}`), hoverinfo: "text",
          line: { color: one.color, dash: one.dash, width: 2 }, marker: { size: 8 }, error_y: errors(one, { color: one.color }),
        }));
        const x = axis("Condition", { ...ticks(conditions, figure), range: [-.4, conditions.length - .6], zeroline: false });
        const seen = against(levels, series);
        return {
          traces, key: true, levels: seen.levels, layout: layout(x, axis(label, seen.room), { shapes: seen.shapes, ...nothing(series, "No model has a value.") }),
          table: { head: ["Model", "Layer", "Condition", label, "95 % from", "to"], rows: series.flatMap((one) => conditions.map((name, i) => [one.model, one.layer, name, one.value[i], one.low[i], one.high[i]])) },
        };
      },
    },

    heat: {
      pick: (data) => data.conditions,
      choices: measured,
      draw: (all, [chosen], figure) => {
        const { label, conditions, series, levels } = all[chosen];
        const made = heatmap(figure, series.map(named), conditions, series.map((one) => one.value), label,
          (row, column) => told(series[row], column));
        return { ...made, levels: against(levels).levels, wide: conditions.length > 16 };
      },
    },

    groups: {
      pick: (data) => data.groups,
      choices: (all) => [["Groups", all.map((one) => one.column)], ["Rate", ["False match rate", "False non-match rate"]]],
      draw: (all, [chosen, kind], figure) => {
        const { groups, series } = all[chosen];
        const measure = ["fmr", "fnmr"][kind];
        return heatmap(figure, series.map(named), groups, series.map((one) => one[measure]), ["False match rate (FMR)", "False non-match rate (FNMR)"][kind],
          (row, column) => `${number(series[row][measure][column])} of ${series[row][`n_${measure}`][column]} pairs`);
      },
    },

    histogram: {
      pick: (data) => data.verification,
      choices: (all) => [["Layer", all.map(named)]],
      draw: (all, [chosen], figure) => {
        const { slider } = all[chosen];
        const stops = slider.genuine.length;
        const width = (slider.high - slider.low) / (stops - 1);
        const bars = (counts) => {
          const found = [];
          for (let i = 0; i + slider.bars < stops; i += slider.bars) found.push(counts[i + slider.bars] - (i ? counts[i] : 0));
          return found;
        };
        const middle = bars(slider.genuine).map((_, i) => slider.low + (i + .5) * slider.bars * width);
        const traces = [["Same person", "genuine", "first", ""], ["Different people", "impostor", "second", "/"]].map(([name, kind, tone, shape]) => ({
          type: "bar", name, legendgroup: kind, x: middle, y: bars(slider[kind]), width: slider.bars * width, opacity: .7,
          marker: { color: color(tone), pattern: { shape, solidity: .25 }, line: { width: 0 } }, hovertemplate: `${name}: %{y} pairs around %{x:.4g}<extra></extra>`,
        }));
        if (figure.of !== chosen) {
          figure.of = chosen;
          threshold(figure, slider, width);
        }
        return {
          traces, key: true, layout: layout(axis("Distance"), axis("Pairs"), { barmode: "overlay", shapes: [mark(slider, width, figure.stop)] }),
          table: { head: ["Distance up to", "Same person accepted", "Different people accepted"], rows: slider.genuine.map((count, i) => [slider.low + i * width, count, slider.impostor[i]]) },
        };
      },
    },

    scatter: {
      pick: (data) => data.scatter,
      choices: (all) => [["Layer", all.series.map(named)]],
      draw: (all, [chosen], figure) => {
        const one = all.series[chosen];
        figure.points = all.pairs.map((pair, i) => ({ pair, distance: one.computed[i], given: all.given[i] }));
        const many = all.given.length > 400;
        return {
          traces: [{ type: "scatter", mode: "markers", x: all.given, y: one.computed, hoverinfo: "none", marker: { color: color("first"), size: many ? 5 : 7, opacity: many ? .45 : .7 } }],
          layout: layout(axis("Given distance"), axis(`Distance of ${named(one)}`)),
          table: { head: ["Image 1", "Image 2", "Given", "Model"], rows: all.pairs.map((pair, i) => [pair[0], pair[1], all.given[i], one.computed[i]]) },
        };
      },
      after: (figure) => faces(figure),
    },
  };

  // White is zero where values are of both signs.
  const bothWays = [[0, "#d55e00"], [.5, "#f7f7f7"], [1, "#0072b2"]];
  const isSigned = (values) => values.flat().some((value) => value < 0) && values.flat().some((value) => value > 0);
  const heatmap = (figure, rows, columns, values, measure, tell) => ({
    traces: [{
      type: "heatmap", z: values, x: columns.map((_, i) => i), y: rows.map((_, i) => i), xgap: 2, ygap: 2,
      ...(isSigned(values) ? { colorscale: bothWays, zmid: 0 } : { colorscale: "Cividis" }),
      colorbar: { thickness: 12, outlinewidth: 0 },
      text: rows.map((row, r) => columns.map((column, c) => `${plain(row)}<br>${plain(column)}<br>${plain(measure)} ${tell(r, c)}`)), hoverinfo: "text",
    }],
    layout: layout(
      axis("", { ...ticks(columns, figure), showgrid: false, zeroline: false }),
      axis("", { tickvals: rows.map((_, i) => i), ticktext: rows.map((name) => plain(short(name, isNarrow(figure) ? 14 : 22))), autorange: "reversed", showgrid: false, zeroline: false }),
      { height: Math.max(230, 150 + 30 * rows.length), title: { text: wrapped(measure, isNarrow(figure) ? 22 : 44), x: 0, xanchor: "left", xref: "container", yref: "container", y: 1, yanchor: "top", pad: { t: 6, l: 4 }, font: { size: 12 } }, margin: { l: 56, r: 12, t: 44, b: 48 }, ...nothing(values.map((value) => ({ value })), "No model has a value.") },
    ),
    table: { head: ["Layer", ...columns], rows: rows.map((row, r) => [row, ...values[r]]) },
  });

  const mark = (slider, width, stop) => {
    const x = slider.low + stop * width;
    return { type: "line", x0: x, x1: x, yref: "paper", y0: 0, y1: 1, line: { color: color("ink"), width: 2, dash: "dot" } };
  };
  const threshold = (figure, slider, width) => {
    const [genuine, impostor] = slider.totals;
    const gain = slider.genuine.map((count, i) => count / genuine - slider.impostor[i] / impostor);
    figure.stop = gain.indexOf(Math.max(...gain));
    const input = make("input", { type: "range", min: 0, max: slider.genuine.length - 1, step: 1, "aria-label": "Threshold" });
    input.value = figure.stop;
    const shown = make("output");
    const cells = [0, 1].map(() => [make("td"), make("td"), make("td")]);
    const update = () => {
      const stop = figure.stop = Number(input.value);
      const at = number(slider.low + stop * width);
      shown.textContent = at;
      input.setAttribute("aria-valuetext", `distance ${at}`);
      [[slider.genuine[stop], genuine], [slider.impostor[stop], impostor]].forEach(([accepted, total], row) => {
        [accepted, total - accepted, `${(100 * accepted / total).toFixed(2)} %`].forEach((text, i) => { cells[row][i].textContent = text; });
      });
    };
    input.addEventListener("input", () => {
      update();
      const plot = figure.querySelector(".plot");
      if (window.Plotly && plot.data) window.Plotly.relayout(plot, { shapes: [mark(slider, width, figure.stop)] });
    });
    const head = make("tr", {}, ...["Pairs", "accepted", "rejected", "rate accepted"].map((text) => make("th", { scope: "col" }, text)));
    const rows = ["Same person", "Different people"].map((name, i) => make("tr", {}, make("th", { scope: "row" }, name), ...cells[i]));
    figure.querySelector(".below").replaceChildren(
      make("div", { class: "threshold" }, make("label", {}, "Threshold", input), shown),
      make("table", { class: "counts" }, make("caption", { class: "unseen" }, "Pairs accepted and rejected at the threshold"), make("thead", {}, head), make("tbody", {}, ...rows)),
    );
    update();
  };

  const face = (place, name) => {
    const url = picture(place);
    return url ? make("img", { class: "face", src: url, alt: `Face: ${name}`, loading: "lazy" }) : make("span", { class: "face" }, "no picture");
  };
  const pairCard = ({ pair, distance, given }, tag) => {
    const lines = [pair[0], pair[1]].map((name) => make("p", {}, name));
    const measured = [["distance", distance], ["given", given]].filter(([, value]) => value !== null && value !== undefined).map(([name, value]) => `${name} ${number(value)}`).join(", ");
    if (measured) lines.push(make("p", {}, make("strong", {}, measured)));
    return make(tag, { class: "pair" }, make("div", { class: "two" }, face(pair[2], pair[0]), face(pair[3], pair[1])), ...lines);
  };

  const faces = (figure) => {
    const plot = figure.querySelector(".plot");
    const card = document.getElementById("face-card");
    const hide = () => { card.hidden = true; };
    const show = (place, x, y) => {
      const point = figure.points[place];
      card.replaceChildren(pairCard(point, "div"));
      card.hidden = false;
      card.style.left = `${Math.max(4, Math.min(x + 16, innerWidth - card.offsetWidth - 8))}px`;
      card.style.top = `${Math.max(4, Math.min(y + 16, innerHeight - card.offsetHeight - 8))}px`;
      document.getElementById("spoken").textContent = `${point.pair[0]} and ${point.pair[1]}: model ${number(point.distance)}, given ${number(point.given)}`;
    };
    plot.on("plotly_hover", ({ points, event }) => show(points[0].pointNumber, event.clientX, event.clientY));
    plot.on("plotly_unhover", hide);
    if (plot.tabIndex === 0) return;
    plot.tabIndex = 0;
    let place = -1;
    plot.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (event.key === "Escape") hide();
      if (!step) return;
      event.preventDefault();
      place = (place + step + figure.points.length) % figure.points.length;
      window.Plotly.Fx.hover(plot, [{ curveNumber: 0, pointNumber: place }]);
      const box = plot.getBoundingClientRect();
      show(place, box.left + 60, box.top + 10);
    });
    plot.addEventListener("blur", hide);
  };

  const tableView = (details, table) => {
    const most = 300;
    const rows = table.rows.slice(0, most).map((row) => make("tr", {}, ...row.map((value) =>
      typeof value === "number" || value === null ? make("td", { class: "number" }, Number.isInteger(value) ? value : number(value)) : make("td", {}, value))));
    const left = table.rows.length > most ? ` The first ${most} of ${table.rows.length} rows.` : "";
    details.querySelector(".scroll")?.remove();
    details.append(make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Numbers of the chart" }, make("table", {},
      make("caption", {}, `Numbers of the chart.${left}`),
      make("thead", {}, make("tr", {}, ...table.head.map((name) => make("th", { scope: "col" }, name)))), make("tbody", {}, ...rows))));
  };

  // Saving a figure. PDF is the browser's own print of this figure alone: it is vector, has its
  // fonts in it, and needs no library in the page.
  const fileName = (parts, kind) => `${parts.join("_").replace(/[^\p{L}\p{N}.]+/gu, "_").replace(/^_+|_+$/g, "").slice(0, 90)}.${kind}`;

  const setUp = (figure) => {
    if (figure.draw) return figure.draw();
    const kind = charts[figure.dataset.chart];
    const data = kind.pick(dataOf(figure.dataset.task));
    const plot = figure.querySelector(".plot");
    const details = figure.querySelector(".as-table");
    const title = figure.querySelector("figcaption strong").textContent.replace(/\.$/, "");
    const choices = kind.choices ? kind.choices(data) : [];
    const chosen = choices.map(() => 0);
    let table = null;
    const show = async (made, settled) => {
      const Plotly = await plotly();
      await Plotly.react(plot, made.traces, made.layout, settled);
      return Plotly;
    };
    figure.draw = async () => {
      const made = kind.draw(data, chosen, figure);
      table = made.table;
      figure.classList.toggle("wide", Boolean(made.wide));
      // plotly forgets the height in the layout when the window is resized.
      plot.style.height = `${made.layout.height}px`;
      if (details.open) tableView(details, table);
      plot.classList.add("waiting");
      try {
        await show(made, settings);
      } catch (error) {
        plot.textContent = "This browser is too old to draw charts; the table below has the numbers.";
        return;
      }
      plot.classList.remove("waiting");
      plot.classList.add("drawn");
      legend(figure, made);
      // plotly forgets who listens when it draws anew in another type of chart.
      plot.removeAllListeners?.("plotly_hover");
      plot.removeAllListeners?.("plotly_unhover");
      kind.after?.(figure);
    };
    // The figure as it is now, on white, with its legend.
    const onWhite = (width) => {
      onPaper = true;
      try {
        const made = kind.draw(data, chosen, figure);
        const isShown = (trace, i) => (plot.data?.[i]?.visible ?? trace.visible) !== "legendonly";
        const traces = made.traces.filter(isShown).map((trace) => ({ ...trace, visible: true, name: trace.label === undefined ? trace.name : plain(short(trace.label, 110)) }));
        const named = traces.filter((trace) => trace.showlegend !== false).length + (made.levels ?? []).length;
        const keyed = Boolean(made.key) || (made.levels ?? []).length > 0;
        const below = keyed ? 22 * named + 30 : 0;
        const tall = made.layout.height + below;
        return {
          data: made.key ? traces : traces.map((trace) => ({ ...trace, showlegend: false })), width, height: tall,
          layout: {
            ...made.layout, width, height: tall, autosize: false, paper_bgcolor: "#ffffff", plot_bgcolor: "#ffffff",
            font: { ...made.layout.font, family: "Arial, Helvetica, sans-serif" }, showlegend: keyed,
            legend: { orientation: "h", x: 0, xanchor: "left", y: 0, yanchor: "bottom", yref: "container", entrywidth: 1, entrywidthmode: "fraction" },
            margin: { ...made.layout.margin, b: 60 + below },
          },
        };
      } finally {
        onPaper = false;
      }
    };
    const nameOf = (ending) => {
      const heading = figure.closest("section")?.querySelector("h2")?.textContent ?? "";
      return fileName([heading, title, ...choices.map(([, options], i) => options.length > 1 ? options[chosen[i]] : "")], ending);
    };
    const picture = async (format) => {
      const Plotly = await plotly();
      const { data: drawn, layout: white, width, height } = onWhite(720);
      const url = await Plotly.toImage({ data: drawn, layout: white }, { format, width, height, scale: format === "png" ? 3 : 1 });
      make("a", { href: url, download: nameOf(format) }).click();
    };
    const print = async () => {
      const { data: drawn, layout: white, width, height } = onWhite(720);
      await show({ traces: drawn, layout: white }, { ...settings, staticPlot: true, responsive: false });
      const page = make("style", {}, `@page { size: ${width + 40}px ${height + 40}px; margin: 20px; }`);
      const before = document.title;
      document.head.append(page);
      document.title = nameOf("pdf").replace(/\.pdf$/, "");
      document.documentElement.classList.add("one-figure");
      figure.classList.add("printed");
      addEventListener("afterprint", () => {
        page.remove();
        document.title = before;
        document.documentElement.classList.remove("one-figure");
        figure.classList.remove("printed");
        figure.draw();
      }, { once: true });
      window.print();
    };
    const buttons = {
      SVG: ["vector picture", () => picture("svg")],
      PNG: ["picture, 2160 pixels wide", () => picture("png")],
      PDF: ["print this figure alone; choose “Save as PDF”", print],
      CSV: ["the numbers of the chart", () => facebench.save(nameOf("csv"), facebench.csv([table.head, ...table.rows]), "text/csv")],
    };
    figure.querySelector(".saves").replaceChildren(...Object.entries(buttons).map(([name, [what, act]]) => {
      const button = make("button", { type: "button", title: `${name}: ${what}`, "aria-label": `${title} as ${name}` }, name);
      button.addEventListener("click", act);
      return button;
    }));
    choices.forEach(([label, options], i) => {
      if (options.length > 1) figure.querySelector(".choose").append(select(label, options, (index) => { chosen[i] = index; figure.draw(); }));
    });
    details.addEventListener("toggle", () => { if (details.open && table) tableView(details, table); });
    facebench.redraw.push(figure.draw);
    return figure.draw();
  };

  const setUpGallery = (box) => {
    if (box.started) return;
    box.started = true;
    const galleries = dataOf(box.dataset.task).galleries;
    const fill = (chosen) => {
      box.querySelector(".faces").replaceChildren(...galleries[chosen].groups.map((group) => make("div", {},
        make("h4", {}, group.title),
        group.pairs.length ? make("ul", { class: "pairs" }, ...group.pairs.map((pair) => pairCard(pair, "li"))) : make("p", {}, "None."))));
    };
    if (galleries.length > 1) box.querySelector(".choose").append(select("For", galleries.map((one) => one.who), fill));
    fill(0);
  };

  const open = (element) => element.classList.contains("gallery") ? setUpGallery(element) : setUp(element);
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      watcher.unobserve(entry.target);
      open(entry.target);
    }
  // Nothing above is drawn ahead: it would push away the section that a link has just led to.
  }, { rootMargin: "0px 0px 400px 0px" });
  const lazy = [...document.querySelectorAll(".chart, .gallery")];
  lazy.forEach((element) => watcher.observe(element));
  const drawAll = () => { if (!document.documentElement.classList.contains("one-figure")) lazy.forEach(open); };
  addEventListener("beforeprint", drawAll);
  matchMedia("print").addEventListener("change", (event) => { if (event.matches) drawAll(); });
  // Unpacked in a quiet moment, plotly is at hand when the page is printed.
  if (document.querySelector(".chart")) (window.requestIdleCallback ?? setTimeout)(() => plotly().catch(() => {}));
})();

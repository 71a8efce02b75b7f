// The charts of a report: drawn by plotly when they come into view.
"use strict";

(() => {
  const { make, number, json, select } = facebench;
  const palette = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8c8c8c", "#b8a800"];
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

  // plotly reads some tags and entities in its texts; names are shown as they are written.
  const plain = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
  const short = (text, most = 28) => text.length > most ? `${text.slice(0, most - 1)}…` : text;
  const named = ({ model, layer }) => layer === "default" ? model : `${model}: ${layer}`;

  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const axis = (title, more = {}) => ({
    title: { text: plain(title), standoff: 8 }, gridcolor: color("grid"), linecolor: color("line"),
    zerolinecolor: color("line"), automargin: true, ...more,
  });
  const layout = (x, y, more = {}) => ({
    xaxis: x, yaxis: y, height: 380, margin: { l: 56, r: 12, t: 34, b: 48 },
    paper_bgcolor: "transparent", plot_bgcolor: "transparent",
    font: { family: "system-ui, sans-serif", size: 12, color: color("ink") },
    showlegend: false,
    modebar: { bgcolor: color("paper"), color: color("soft"), activecolor: color("accent") },
    hoverlabel: { bgcolor: color("raised"), bordercolor: color("line"), font: { color: color("ink") }, align: "left" },
    hovermode: "closest", ...more,
  });
  // A dotted line where a measure is by chance, as far as its task says so.
  const reference = (chance, way = "y") => {
    if (chance === null || chance === undefined) return {};
    const other = way === "y" ? "x" : "y";
    return { shapes: [{ type: "line", [`${way}0`]: chance, [`${way}1`]: chance, [`${other}ref`]: "paper", [`${other}0`]: 0, [`${other}1`]: 1, layer: "below", line: { color: color("soft"), width: 1, dash: "dot" }, label: { text: "chance", textposition: "end", font: { size: 10, color: color("soft") } } }] };
  };
  // What people do: a band for participants, a dotted line for what is published.
  const beside = (people) => people.flatMap((one, i) => {
    const tone = palette[(palette.length - 1 - i) % palette.length];
    const across = { xref: "paper", x0: 0, x1: 1, layer: "below" };
    const text = `${plain(one.name)}${one.published ? " (published)" : ""} ${number(one.value)}`;
    const line = { ...across, type: "line", y0: one.value, y1: one.value, line: { color: tone, width: 1.5, dash: one.published ? "dot" : "solid" }, label: { text, textposition: "start", font: { size: 10, color: color("ink") } } };
    return one.low === null ? [line] : [{ ...across, type: "rect", y0: one.low, y1: one.high, fillcolor: tone, opacity: .18, line: { width: 0 } }, line];
  });
  // No button may send a chart of somebody's faces anywhere.
  const settings = { displaylogo: false, responsive: true, showSendToCloud: false, plotlyServerURL: "", modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"] };

  // A legend of buttons, which the keyboard reaches: each shows or hides its line.
  const swatch = (trace) => {
    const line = trace.line ?? {};
    const color = line.color ?? trace.marker.color;
    const space = "http://www.w3.org/2000/svg";
    const svg = document.createElementNS(space, "svg");
    const path = document.createElementNS(space, "path");
    const bar = trace.type === "bar";
    const strokes = { dot: "2 3", dash: "7 4", dashdot: "7 3 2 3", longdash: "11 4" };
    for (const [name, value] of Object.entries({ width: 26, height: 10, "aria-hidden": "true" })) svg.setAttribute(name, value);
    for (const [name, value] of Object.entries({ d: "M1 5H25", stroke: color, "stroke-width": bar ? 9 : 2.5, "stroke-dasharray": trace.marker?.pattern?.shape ? "3 2" : strokes[line.dash] ?? "none" })) path.setAttribute(name, value);
    svg.append(path);
    return svg;
  };
  const legend = (figure, traces) => {
    const plot = figure.querySelector(".plot");
    figure.querySelector(".key").replaceChildren(...traces.map((trace, i) => {
      const button = make("button", { type: "button", "aria-pressed": trace.visible !== "legendonly" }, swatch(trace), trace.label ?? trace.name);
      button.addEventListener("click", () => {
        const shown = button.getAttribute("aria-pressed") !== "true";
        button.setAttribute("aria-pressed", shown);
        window.Plotly.restyle(plot, { visible: shown ? true : "legendonly" }, [i]);
      });
      return button;
    }));
  };

  // A colour per model, a dash per further layer of it; those layers wait in the legend.
  const styled = (series) => {
    const models = [...new Set(series.map((one) => one.model))];
    const seen = {};
    return series.map((one) => {
      const place = models.indexOf(one.model);
      const nth = (seen[one.model] = (seen[one.model] ?? -1) + 1);
      const dash = nth + Math.floor(place / palette.length);
      return { ...one, label: named(one), name: plain(short(named(one))), first: nth === 0, color: palette[place % palette.length], dash: dashes[dash % dashes.length] };
    });
  };
  const errors = (one, more = {}) => ({
    type: "data", symmetric: false, thickness: 1.2, width: 3, ...more,
    array: one.high.map((high, i) => high === null || one.value[i] === null ? 0 : high - one.value[i]),
    arrayminus: one.low.map((low, i) => low === null || one.value[i] === null ? 0 : one.value[i] - low),
  });
  const told = (one, i) => one.low[i] === null ? number(one.value[i]) : `${number(one.value[i])} (${number(one.low[i])} – ${number(one.high[i])})`;

  const rates = ({ curve }) => ({
    fmr: curve.false_matches.map((count) => count / curve.totals[1]),
    fnmr: curve.misses.map((count) => count / curve.totals[0]),
  });
  const ratesTable = (all) => ({
    head: ["Layer", "FMR", "FNMR"],
    rows: all.flatMap((one) => { const { fmr, fnmr } = rates(one); return fmr.map((x, i) => [named(one), x, fnmr[i]]); }),
  });
  const curves = (all, y, yTitle, yAxis) => {
    const traces = styled(all).map((one) => {
      const { fmr, fnmr } = rates(one);
      const value = y(fnmr);
      const kept = fmr.map((x, i) => i).filter((i) => fmr[i] > 0 && (yAxis.type !== "log" || value[i] > 0));
      return {
        type: "scatter", mode: "lines", name: one.name, label: one.label, visible: one.first ? true : "legendonly",
        x: kept.map((i) => fmr[i]), y: kept.map((i) => value[i]),
        line: { color: one.color, dash: one.dash, width: 2, shape: "hv" },
        hovertemplate: `%{fullData.name}<br>FMR %{x:.3g}<br>${yTitle} %{y:.4f}<extra></extra>`,
      };
    });
    const rate = { type: "log", exponentformat: "power", dtick: 1, minor: { showgrid: true, gridcolor: color("grid") } };
    return {
      traces, table: ratesTable(all), key: true,
      layout: layout(axis("False match rate (FMR)", rate), axis(yTitle, yAxis.type === "log" ? rate : yAxis)),
    };
  };

  const charts = {
    roc: { pick: (data) => data.verification, draw: (all) => curves(all, (fnmr) => fnmr.map((x) => 1 - x), "True match rate", { rangemode: "normal" }) },
    det: { pick: (data) => data.verification, draw: (all) => curves(all, (fnmr) => fnmr, "False non-match rate", { type: "log" }) },

    profile: {
      pick: (data) => data.profiles,
      choices: (all) => [["Measure", all.map((one) => one.condition ? `${one.measure}: ${one.condition}` : one.measure)]],
      draw: (all, [chosen]) => {
        const { measure, lines } = all[chosen];
        const alike = lines.every((line) => JSON.stringify(line.layers) === JSON.stringify(lines[0].layers));
        const traces = styled(lines.map((line) => ({ ...line, layer: "default" }))).map((line) => ({
          type: "scatter", mode: "lines+markers", name: line.name, label: line.label, x: line.layers.map((_, i) => alike ? i : i / Math.max(1, line.layers.length - 1)), y: line.value,
          text: line.layers.map((layer, i) => `${line.name}<br>${plain(layer)}<br>${told(line, i)}`), hoverinfo: "text",
          line: { color: line.color, dash: line.dash, width: 2 }, marker: { size: 5 },
          error_y: errors(line, { color: line.color, thickness: .8, width: 0 }), connectgaps: false,
        }));
        const level = { shapes: [...(reference(all[chosen].chance).shapes ?? []), ...beside(all[chosen].people ?? [])] };
        const few = alike && lines[0].layers.length <= 12;
        const ticks = few ? { tickvals: lines[0].layers.map((_, i) => i), ticktext: lines[0].layers.map((layer) => plain(short(layer, 16))) } : {};
        return {
          traces, key: true, layout: layout(axis(alike ? "Layer, in network order" : "Relative depth (0 first layer, 1 last)", { ...ticks, zeroline: false }), axis(measure), level),
          table: { head: ["Model", "Layer", measure, "95 % from", "to"], rows: lines.flatMap((line) => line.layers.map((layer, i) => [line.model, layer, line.value[i], line.low[i], line.high[i]])) },
        };
      },
    },

    training: {
      pick: (data) => data.training,
      choices: (all) => [["Measure", all.map((one) => one.condition ? `${one.measure}: ${one.condition}` : one.measure)]],
      draw: (all, [chosen]) => {
        const { measure, lines, label, log, chance, people } = all[chosen];
        const traces = styled(lines).map((line) => ({
          type: "scatter", mode: "lines+markers", name: line.name, label: line.label, x: line.x, y: line.value,
          text: line.x.map((x, i) => `${line.name}<br>${plain(label)} ${number(x)}<br>${told(line, i)}`), hoverinfo: "text",
          line: { color: line.color, dash: line.dash, width: 2 }, marker: { size: 6 }, error_y: errors(line, { color: line.color, thickness: .8, width: 0 }), connectgaps: false,
        }));
        const level = { shapes: [...(reference(chance).shapes ?? []), ...beside(people ?? [])] };
        return {
          traces, key: true, layout: layout(axis(label, log ? { type: "log" } : { zeroline: false }), axis(measure), level),
          table: { head: ["Series", "Layer", label, measure, "95 % from", "to"], rows: lines.flatMap((line) => line.x.map((x, i) => [line.model, line.layer, x, line.value[i], line.low[i], line.high[i]])) },
        };
      },
    },

    conditions: {
      pick: (data) => data.conditions,
      choices: (all) => [["Measure", all.map((one) => one.measure)]],
      draw: (all, [chosen]) => {
        const { measure, conditions, series, chance } = all[chosen];
        const drawn = styled(series);
        const table = { head: ["Model", "Layer", "Condition", measure, "95 % from", "to"], rows: series.flatMap((one) => conditions.map((name, i) => [one.model, one.layer, name || "–", one.value[i], one.low[i], one.high[i]])) };
        if (conditions.length > 1) {
          const traces = drawn.map((one) => ({
            type: "bar", name: one.name, label: one.label, x: conditions.map((_, i) => i), y: one.value, error_y: errors(one, { color: color("ink") }),
            marker: { color: one.color }, hoverinfo: "text", textposition: "none",
            text: conditions.map((name, i) => `${one.name}<br>${plain(name)}<br>${told(one, i)}`),
          }));
          const x = axis("Condition", { tickvals: conditions.map((_, i) => i), ticktext: conditions.map((name) => plain(short(name, 22))) });
          return { traces, table, key: true, layout: layout(x, axis(measure), { barmode: "group", bargap: .25, ...reference(chance) }) };
        }
        const places = drawn.map((_, i) => drawn.length - 1 - i);
        const traces = drawn.map((one, i) => ({
          type: "scatter", mode: "markers", name: one.name, x: one.value, y: [places[i]], marker: { color: one.color, size: 11 },
          error_x: errors(one, { color: one.color, thickness: 2 }), text: [`${one.name}<br>${told(one, 0)}`], hoverinfo: "text",
        }));
        const y = axis("", { tickvals: places, ticktext: drawn.map((one) => one.name), range: [-.6, drawn.length - .4], zeroline: false });
        return { traces, table, layout: layout(axis(measure, { zeroline: true }), y, { height: Math.max(210, 110 + 36 * drawn.length), ...reference(chance, "x") }) };
      },
    },

    effect: {
      pick: (data) => data.effect,
      draw: ({ measure, conditions, series }) => {
        const drawn = styled(series);
        // Side by side, so that intervals of several models do not overlap.
        const aside = (i) => drawn.length > 1 ? .3 * (i / (drawn.length - 1) - .5) : 0;
        const traces = drawn.map((one, nth) => ({
          type: "scatter", mode: "lines+markers", name: one.name, label: one.label, x: conditions.map((_, i) => i + aside(nth)), y: one.value,
          text: conditions.map((name, i) => `${one.name}<br>${plain(name)}<br>${told(one, i)}`), hoverinfo: "text",
          line: { color: one.color, dash: one.dash, width: 2 }, marker: { size: 8 }, error_y: errors(one, { color: one.color }),
        }));
        const x = axis("Condition", { tickvals: conditions.map((_, i) => i), ticktext: conditions.map((name) => plain(short(name, 22))), range: [-.4, conditions.length - .6], zeroline: false });
        return {
          traces, key: true, layout: layout(x, axis(measure)),
          table: { head: ["Model", "Layer", "Condition", measure, "95 % from", "to"], rows: series.flatMap((one) => conditions.map((name, i) => [one.model, one.layer, name, one.value[i], one.low[i], one.high[i]])) },
        };
      },
    },

    heat: {
      pick: (data) => data.conditions,
      choices: (all) => [["Measure", all.map((one) => one.measure)]],
      draw: (all, [chosen]) => {
        const { measure, conditions, series } = all[chosen];
        return heatmap(series.map(named), conditions, series.map((one) => one.value), measure,
          (row, column) => told(series[row], column));
      },
    },

    groups: {
      pick: (data) => data.groups,
      choices: (all) => [["Groups", all.map((one) => one.column)], ["Rate", ["False match rate", "False non-match rate"]]],
      draw: (all, [chosen, kind]) => {
        const { groups, series } = all[chosen];
        const measure = ["fmr", "fnmr"][kind];
        return heatmap(series.map(named), groups, series.map((one) => one[measure]), ["FMR", "FNMR"][kind],
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
          type: "bar", name, x: middle, y: bars(slider[kind]), width: slider.bars * width, opacity: .7,
          marker: { color: color(tone), pattern: { shape, solidity: .25 }, line: { width: 0 } }, hovertemplate: `${name}: %{y} pairs around %{x:.4g}<extra></extra>`,
        }));
        threshold(figure, slider, width);
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

  const heatmap = (rows, columns, values, measure, tell) => ({
    traces: [{
      type: "heatmap", z: values, x: columns.map((_, i) => i), y: rows.map((_, i) => i), colorscale: "Cividis", xgap: 2, ygap: 2,
      colorbar: { title: { text: plain(measure), side: "right" }, thickness: 12, outlinewidth: 0 },
      text: rows.map((row, r) => columns.map((column, c) => `${plain(row)}<br>${plain(column)}<br>${plain(measure)} ${tell(r, c)}`)), hoverinfo: "text",
    }],
    layout: layout(
      axis("", { tickvals: columns.map((_, i) => i), ticktext: columns.map((name) => plain(short(name, 20))), showgrid: false, zeroline: false }),
      axis("", { tickvals: rows.map((_, i) => i), ticktext: rows.map((name) => plain(short(name, 22))), autorange: "reversed", showgrid: false, zeroline: false }),
      { height: Math.max(220, 130 + 30 * rows.length) },
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

  const setUp = (figure) => {
    if (figure.draw) return figure.draw();
    const kind = charts[figure.dataset.chart];
    const data = kind.pick(dataOf(figure.dataset.task));
    const plot = figure.querySelector(".plot");
    const details = figure.querySelector(".as-table");
    const choices = kind.choices ? kind.choices(data) : [];
    const chosen = choices.map(() => 0);
    let table = null;
    figure.draw = async () => {
      const made = kind.draw(data, chosen, figure);
      table = made.table;
      if (details.open) tableView(details, table);
      plot.classList.add("waiting");
      let Plotly;
      try {
        Plotly = await plotly();
      } catch (error) {
        plot.textContent = "This browser is too old to draw charts; the table below has the numbers.";
        return;
      }
      plot.classList.remove("waiting");
      plot.classList.add("drawn");
      await Plotly.react(plot, made.traces, made.layout, settings);
      if (made.key) legend(figure, made.traces);
      else figure.querySelector(".key").replaceChildren();
      // plotly forgets who listens when it draws anew in another type of chart.
      plot.removeAllListeners?.("plotly_hover");
      plot.removeAllListeners?.("plotly_unhover");
      kind.after?.(figure);
    };
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
  const drawAll = () => lazy.forEach(open);
  addEventListener("beforeprint", drawAll);
  matchMedia("print").addEventListener("change", (event) => { if (event.matches) drawAll(); });
  // Unpacked in a quiet moment, plotly is at hand when the page is printed.
  if (document.querySelector(".chart")) (window.requestIdleCallback ?? setTimeout)(() => plotly().catch(() => {}));
})();

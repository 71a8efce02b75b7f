// What every page does: colours, tables to sort and search, the list of sections.
"use strict";

const facebench = { redraw: [] };

// All text from files goes through textContent, so that none of it is ever read as HTML.
facebench.make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.map((child) => child instanceof Node ? child : String(child)));
  return element;
};

facebench.json = (element) => JSON.parse(element ? element.textContent : "null");

// The ends of an interval have the same number of decimals: the size is that of the larger one.
facebench.number = (value, beside = 0) => {
  if (value === null || value === undefined) return "–";
  const size = Math.max(Math.abs(value), Math.abs(beside));
  let text;
  if (value !== 0 && size < 1e-3) {
    text = value.toExponential(2).replace(/e([+-])(\d)$/, "e$10$2");
  } else {
    text = value.toFixed(size < 10 ? 4 : size < 1e4 ? 2 : 0);
  }
  return text.replace(/-/g, "−");
};

facebench.interval = (low, high) => `${facebench.number(low, high)} – ${facebench.number(high, low)}`;

facebench.select = (label, options, onChange) => {
  const select = facebench.make("select", { "aria-label": label });
  options.forEach((option, index) => select.append(facebench.make("option", { value: index }, option)));
  select.addEventListener("change", () => onChange(Number(select.value)));
  return facebench.make("label", {}, label, select);
};

(() => {
  const { make, number, interval, json } = facebench;

  const themes = ["auto", "light", "dark"];
  const names = { auto: "◐ Auto", light: "☀ Light", dark: "☾ Dark" };
  const spoken = { auto: "follow the system", light: "light", dark: "dark" };
  const button = document.getElementById("theme");
  const store = {
    get: () => { try { return localStorage.getItem("facebench-theme"); } catch { return null; } },
    set: (value) => { try { localStorage.setItem("facebench-theme", value); } catch { /* a file may not store */ } },
  };
  const redraw = () => facebench.redraw.forEach((draw) => draw());
  const setTheme = (theme) => {
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    button.replaceChildren(names[theme], make("span", { class: "unseen" }, ` colours: ${spoken[theme]}`));
    button.value = theme;
    redraw();
  };
  button.addEventListener("click", () => {
    const next = themes[(themes.indexOf(button.value) + 1) % themes.length];
    store.set(next);
    setTheme(next);
  });
  setTheme(themes.includes(store.get()) ? store.get() : "auto");
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);

  const small = (text, kind) => make("small", { class: kind }, text);

  const cell = (kind, value, title) => {
    const td = make(kind === "model" ? "th" : "td", { class: kind, "data-label": title || null });
    if (kind === "model") td.setAttribute("scope", "row");
    if (value === null || value === undefined) td.textContent = "–";
    else if (kind === "model") {
      if (value[2]) {
        const swatch = make("i", { class: "swatch" });
        swatch.style.background = value[2];
        td.append(swatch);
      }
      td.append(value[0]);
      if (value[1]) td.append(small(value[1]));
    } else if (kind === "difference") {
      const inner = make("span", { class: "number" }, (value[0] > 0 ? "+" : "") + number(value[0]));
      if (value[1] !== null) inner.append(small(interval(value[1], value[2]), "number"));
      td.append(inner);
    } else if (kind === "score") {
      if (value[3] === 1) td.classList.add("best");
      td.append(make("span", { class: "number" }, number(value[0])));
      if (value[4]) td.append(" ", make("span", { class: "ties" }, value[4]));
      if (value[1] !== null) td.append(small(interval(value[1], value[2]), "number"));
      td.append(...value.slice(5).filter(Boolean).map((text) => small(text)));
    }
    else if (kind === "p") td.textContent = value < 1e-3 ? "< 0.001" : number(value);
    else if (kind === "number") td.textContent = number(value);
    else if (kind === "signed") td.textContent = (value > 0 ? "+" : "") + number(value);
    else if (kind === "interval") td.textContent = interval(value[0], value[1]);
    else if (kind === "forest") {
      const bar = make("i");
      bar.style.left = `${value[0]}%`;
      bar.style.width = `${value[1]}%`;
      const dot = make("b");
      dot.style.left = `${value[2]}%`;
      td.append(make("span", { class: "scale", "aria-hidden": "true" }, bar, dot));
    } else td.textContent = value;
    return td;
  };

  const words = ["text", "model"];
  const key = (value) => Array.isArray(value) ? value[0] : value;
  const compare = (a, b) => {
    const [one, other] = [key(a), key(b)];
    const empty = (x) => x === null || x === undefined || x === "";
    if (empty(one) || empty(other)) return empty(one) - empty(other);
    if (typeof one === "number" && typeof other === "number") return one - other;
    return String(one).localeCompare(String(other), undefined, { numeric: true });
  };

  // What is saved of a table: its numbers as they are, intervals as two columns, no drawings.
  const saved = (titles, kinds, found) => {
    const places = kinds.map((kind, i) => [kind, i]).filter(([kind]) => kind !== "forest");
    const parts = {
      interval: [["low", 0], ["high", 1]],
      difference: [["", 0], ["low", 1], ["high", 2]],
      score: [["", 0], ["low", 1], ["high", 2], ["tie group", 4]],
      model: [["", 0]],
    };
    const cells = (kind, value) => (parts[kind] ?? []).map(([, i]) => value?.[i] ?? "");
    return [
      places.flatMap(([kind, i]) => parts[kind] ? parts[kind].map(([part]) => part ? `${titles[i]}, ${part}` : titles[i]) : [titles[i]]),
      ...found.map((row) => places.flatMap(([kind, i]) => parts[kind] ? cells(kind, row[i]) : [row[i] ?? ""])),
    ];
  };
  facebench.csv = (lines) => {
    const quoted = (value) => /[",\r\n]/.test(value) ? `"${String(value).replace(/"/g, '""')}"` : value;
    return lines.map((line) => line.map(quoted).join(",")).join("\r\n") + "\r\n";
  };
  const asLatex = (lines) => {
    const signs = { "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "<": "\\textless{}", ">": "\\textgreater{}", "|": "\\textbar{}", "–": "--", "\n": " " };
    const shown = (value) => typeof value === "number"
      ? number(value).replace(/^−/, "$-$").replace("−", "-")
      : String(value).replace(/[\\~^<>|–\n]|[&%$#_{}]/g, (sign) => signs[sign] ?? `\\${sign}`);
    const row = (line) => `${line.map(shown).join(" & ")} \\\\`;
    const [head, ...body] = lines;
    return ["\\begin{tabular}{" + "l".repeat(head.length) + "}", "\\toprule", row(head), "\\midrule", ...body.map(row), "\\bottomrule", "\\end{tabular}", ""].join("\n");
  };
  facebench.save = (name, text, type = "text/plain") => {
    const url = URL.createObjectURL(new Blob([text], { type: `${type};charset=utf-8` }));
    make("a", { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  };

  const start = (box) => {
    const data = json(box.querySelector("script"));
    const body = box.querySelector("tbody");
    const search = box.querySelector("input[type=search]");
    const more = box.querySelector("input[type=checkbox]");
    const lists = [...box.querySelectorAll("select")];
    const told = box.querySelector("output");
    const rows = data.rows.map((row, index) => ({
      row,
      extra: Boolean(data.extra[index]),
      text: row.filter((_, i) => words.includes(data.kinds[i])).map((value) => Array.isArray(value) ? value.slice(0, 2) : value).flat().join(" ").toLowerCase(),
    }));
    let sorted = null;

    const fitting = () => {
      const wanted = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      const chosen = lists.map((list) => [Number(list.dataset.column), list.value]).filter(([, v]) => v);
      return rows.filter(({ row, extra, text }) =>
        (!extra || (more && more.checked)) &&
        wanted.every((word) => text.includes(word)) &&
        chosen.every(([column, value]) => String(row[column]) === value));
    };
    const tell = (found) => {
      const shown = Math.min(found, data.limit);
      told.textContent = shown < found ? `${shown} of ${found} rows shown: search or choose to see others` : `${found} rows`;
    };
    const inOrder = () => {
      const found = fitting();
      if (sorted) {
        const sign = sorted.down ? -1 : 1;
        const empty = (x) => x === null || x === undefined || x === "";
        found.sort((a, b) => {
          const [x, y] = [a.row[sorted.column], b.row[sorted.column]];
          // What is missing stays last, whichever way the rest is sorted.
          return empty(key(x)) || empty(key(y)) ? compare(x, y) : sign * compare(x, y);
        });
      }
      return found;
    };
    const fill = () => {
      const found = inOrder();
      body.replaceChildren(...found.slice(0, data.limit).map(({ row }) =>
        make("tr", {}, ...row.map((value, i) => cell(data.kinds[i], value, data.titles[i])))));
      tell(found.length);
    };
    const titles = [...box.querySelectorAll("thead th")].map((th) => [...th.childNodes].map((node) => node.textContent.trim()).filter(Boolean).join(", "));
    for (const button of box.querySelectorAll("[data-save]")) {
      button.addEventListener("click", () => {
        const lines = saved(titles, data.kinds, inOrder().map(({ row }) => row));
        if (button.dataset.save === "csv") facebench.save(`${box.id}.csv`, facebench.csv(lines), "text/csv");
        else facebench.save(`${box.id}.tex`, asLatex(lines));
      });
    }
    search.addEventListener("input", fill);
    lists.forEach((list) => list.addEventListener("change", fill));
    if (more) more.addEventListener("change", fill);
    for (const head of box.querySelectorAll("th button")) {
      head.addEventListener("click", () => {
        const column = Number(head.dataset.column);
        const down = !data.ascending[column];
        sorted = { column, down: sorted && sorted.column === column ? !sorted.down : down };
        for (const th of box.querySelectorAll("th")) th.removeAttribute("aria-sort");
        head.parentElement.setAttribute("aria-sort", sorted.down ? "descending" : "ascending");
        fill();
      });
    }
    tell(fitting().length);
  };
  document.querySelectorAll(".data-table").forEach(start);

  // Numbers that are folded are printed too.
  const folded = () => [...document.querySelectorAll(".folded details:not([open]), .keep-in-mind:not([open])")];
  let opened = [];
  addEventListener("beforeprint", () => { opened = folded(); opened.forEach((one) => { one.open = true; }); });
  addEventListener("afterprint", () => { opened.forEach((one) => { one.open = false; }); opened = []; });

  if (matchMedia("(max-width: 60rem)").matches) document.querySelector("nav details").open = false;
  const links = new Map([...document.querySelectorAll("nav a")].map((a) => [a.getAttribute("href").slice(1), a]));
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      const link = links.get(entry.target.id);
      if (!link) continue;
      if (entry.isIntersecting) {
        links.forEach((other) => other.removeAttribute("aria-current"));
        link.setAttribute("aria-current", "true");
      }
    }
  }, { rootMargin: "-10% 0px -80% 0px" });
  document.querySelectorAll("main section").forEach((section) => watcher.observe(section));

  document.documentElement.dataset.ready = String(Math.round(performance.now()));
})();

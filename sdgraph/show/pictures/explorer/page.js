"use strict";
(() => {
  const { variables, views } = JSON.parse(document.getElementById("data").textContent);
  const byId = (id) => document.getElementById(id);
  const stage = byId("stage"), panel = byId("panel"), input = document.querySelector("#search input"), hits = byId("hits");
  let now = null; // the view on the stage: its number, its svg and the elements of its cards and links
  let chosen = null;

  /** An element with properties and children; text is always text, never markup. */
  function make(tag, properties = {}, ...children) {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  }

  // ---------------------------------------------------------------- camera: what part of the picture the stage shows

  const camera = { x: 0, y: 0, scale: 1 };
  // How to place the camera again when the page gets another size; null once the reader has moved it. A page may run
  // before it has a size: in a hidden tab, in a cell that is out of view, in a frame that is just being attached.
  let aim = null;

  const seen = () => stage.clientWidth > 0 && stage.clientHeight > 0;

  function look() {
    const { clientWidth: w, clientHeight: h } = stage;
    if (seen()) now.svg.setAttribute("viewBox", `${camera.x} ${camera.y} ${w / camera.scale} ${h / camera.scale}`);
  }

  /** Place the camera now, and again with each size that the page gets. */
  function aimBy(place) {
    aim = place;
    if (seen()) place();
  }

  /** Show all of the picture; with `readable`, start at its top instead where all of it would be too small to read. */
  const fit = (readable = false) => aimBy(() => {
    const { x, y, width, height } = now.box;
    const { clientWidth: w, clientHeight: h } = stage;
    camera.scale = Math.max(0.02, Math.min(w / width, h / height, 1.6));
    if (readable) camera.scale = Math.max(camera.scale, Math.min(0.8, w / width), 0.45);
    camera.x = x - (w / camera.scale - width) / 2;
    camera.y = y - Math.max(0, (h / camera.scale - height) / 2);
    look();
  });

  function scaleBy(factor, px, py) {
    const scale = Math.min(12, Math.max(0.02, camera.scale * factor));
    camera.x += px / camera.scale - px / scale;
    camera.y += py / camera.scale - py / scale;
    camera.scale = scale;
    look();
  }

  // What the reader does with the camera.

  function zoom(factor, px = stage.clientWidth / 2, py = stage.clientHeight / 2) {
    aim = null;
    scaleBy(factor, px, py);
  }

  function pan(dx, dy) {
    aim = null;
    camera.x += dx / camera.scale;
    camera.y += dy / camera.scale;
    look();
  }

  /** Move as little as it takes to have an element on the stage, large enough to read. */
  const bring = (element) => aimBy(() => {
    const place = () => {
      const card = element.getBoundingClientRect(), frame = stage.getBoundingClientRect();
      return [card.x + card.width / 2 - frame.x, card.y + card.height / 2 - frame.y];
    };
    look();
    if (camera.scale < 0.7) scaleBy(1 / camera.scale, ...place());
    const [x, y] = place(), { clientWidth: w, clientHeight: h } = stage;
    if (x < 0.12 * w || x > 0.88 * w) camera.x += (x - w / 2) / camera.scale;
    if (y < 0.12 * h || y > 0.88 * h) camera.y += (y - h / 2) / camera.scale;
    look();
  });

  stage.addEventListener("wheel", (event) => {
    // Inside another page the wheel scrolls that page until the picture has been clicked.
    if (window !== window.top && !document.hasFocus() && !event.ctrlKey) return;
    event.preventDefault();
    const frame = stage.getBoundingClientRect();
    zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0016)), event.clientX - frame.x, event.clientY - frame.y);
  }, { passive: false });

  const fingers = new Map();
  let moved = false;
  stage.addEventListener("pointerdown", (event) => {
    fingers.set(event.pointerId, event);
    moved = false;
  });
  stage.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const dx = event.clientX - before.clientX, dy = event.clientY - before.clientY;
    if (!moved && Math.hypot(dx, dy) < 4) return;
    if (!moved) stage.setPointerCapture(event.pointerId);
    moved = true;
    stage.classList.add("dragging");
    const other = [...fingers.values()].find((finger) => finger.pointerId !== event.pointerId);
    if (other) {
      const apart = (a) => Math.hypot(a.clientX - other.clientX, a.clientY - other.clientY);
      const frame = stage.getBoundingClientRect();
      zoom(apart(event) / Math.max(1, apart(before)), other.clientX - frame.x, other.clientY - frame.y);
    } else {
      pan(-dx, -dy);
    }
    fingers.set(event.pointerId, event);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    stage.addEventListener(end, (event) => {
      fingers.delete(event.pointerId);
      stage.classList.remove("dragging");
    });
  }
  // A frame out of view may hear of its size by one of these only. The stage also changes when the panel opens, and then
  // the card that was clicked must not move.
  const settle = () => (aim && seen() ? aim : look)();
  window.addEventListener("resize", settle);
  const sizes = new ResizeObserver((entries) => (entries.some(({ target }) => target !== stage) ? settle : look)());

  // ---------------------------------------------------------------- views

  function show(number) {
    const view = views[number];
    const svg = byId(`view-${number}`).content.querySelector("svg").cloneNode(true);
    const [x, y, width, height] = svg.getAttribute("viewBox").split(/\s+/).map(Number);
    svg.removeAttribute("width");
    svg.removeAttribute("height");
    now = { number, svg, box: { x, y, width, height }, cards: [], links: [], next: new Map(), previous: new Map() };
    for (const element of svg.querySelectorAll("g.node")) now.cards[Number(element.dataset.n)] = element;
    for (const element of svg.querySelectorAll("g.edge")) now.links[Number(element.dataset.e)] = element;
    now.cards.forEach((element, n) => {
      element.setAttribute("tabindex", "0");
      element.setAttribute("role", "button");
      element.setAttribute("aria-label", view.cards[n].label);
    });
    view.links.forEach(([tail, head], k) => {
      add(now.next, tail, [head, k]);
      add(now.previous, head, [tail, k]);
    });
    stage.replaceChildren(svg);
    choose(null);
    fit(true);
    tabs();
    byId("notes").textContent = view.notes.join(" · ");
  }

  function add(map, key, value) {
    if (!map.has(key)) map.set(key, []);
    map.get(key).push(value);
  }

  function tabs() {
    const roots = views.map((view, number) => ({ view, number })).filter(({ view }) => view.parent === null);
    byId("tabs").replaceChildren(...roots.map(({ view, number }) => make("button", {
      textContent: view.kind, role: "tab", ariaSelected: String(view.kind === views[now.number].kind),
      onclick: () => show(number),
    })));
    byId("tabs").hidden = roots.length < 2;
    const chain = [];
    for (let number = now.number; number !== null; number = views[number].parent) chain.unshift(number);
    const parts = chain.map((number) => make("button", { textContent: views[number].crumb, onclick: () => show(number) }));
    byId("crumbs").replaceChildren(...parts.flatMap((part, k) => (k ? ["›", part] : [part])));
  }

  const viewOf = (scope) => views.findIndex((view) => view.kind === views[now.number].kind && view.scope === scope);

  // ---------------------------------------------------------------- what a card depends on, and what depends on it

  function reach(start, map) {
    const cards = new Set([start]), links = new Set(), queue = [start];
    while (queue.length) {
      for (const [card, link] of map.get(queue.pop()) || []) {
        links.add(link);
        if (!cards.has(card)) {
          cards.add(card);
          queue.push(card);
        }
      }
    }
    return { cards, links };
  }

  function light(card) {
    for (const element of now.svg.querySelectorAll(".lit")) element.classList.remove("lit", "before", "after");
    now.svg.classList.toggle("focused", card !== null);
    if (card === null) return;
    for (const [map, side] of [[now.previous, "before"], [now.next, "after"]]) {
      const { cards, links } = reach(card, map);
      for (const n of cards) now.cards[n]?.classList.add("lit", ...(n === card ? [] : [side]));
      for (const k of links) now.links[k]?.classList.add("lit", side);
    }
  }

  const cardAt = (target) => {
    const element = target.closest?.("g.node");
    return element ? Number(element.dataset.n) : null;
  };
  stage.addEventListener("pointerover", (event) => {
    if (!fingers.size) light(cardAt(event.target) ?? chosen);
  });
  stage.addEventListener("pointerleave", () => now && light(chosen));

  // ---------------------------------------------------------------- facts

  function choose(card) {
    for (const element of now.svg.querySelectorAll(".chosen")) element.classList.remove("chosen");
    chosen = card;
    light(card);
    if (card === null) {
      panel.hidden = true;
      return;
    }
    now.cards[card].classList.add("chosen");
    const { ids, scope, title, count } = views[now.number].cards[card];
    panel.replaceChildren(...(scope === null ? aboutVariable(ids[0]) : aboutScope(scope, ids, title, count)));
    reveal();
  }

  function reveal() {
    panel.prepend(make("button", { className: "close", textContent: "×", title: "Close (Esc)", onclick: () => choose(null) }));
    panel.hidden = false;
    panel.scrollTop = 0;
  }

  const rows = (pairs) => make("dl", {}, ...pairs.filter(([, value]) => value !== undefined && value !== null && value !== "")
    .flatMap(([key, value]) => [make("dt", { textContent: key }), make("dd", {}, value)]));
  const kindChip = (kind, word) => {
    const chip = make("span", { className: "kind", textContent: word });
    chip.style.cssText = `background: var(--fill-${kind}); border-color: var(--stroke-${kind}); color: var(--ink-${kind})`;
    return chip;
  };
  const link = (id) => make("button", { className: "link", textContent: variables[id].title, title: variables[id].name, onclick: () => jump(id) });
  const list = (title, items) => (items.length ? [make("h2", { textContent: title }), make("ul", {}, ...items)] : []);
  const plural = (n, word) => `${n.toLocaleString("en")} ${word}${n === 1 ? "" : "s"}`;

  function statistics(numbers, kind) {
    if (!numbers) return [];
    const { bins, low, high, bad, ...rest } = numbers;
    const shown = [rows(Object.entries(rest))];
    if (bad) shown.unshift(make("p", { className: "bad", textContent: bad }));
    if (bins) {
      const space = "http://www.w3.org/2000/svg", top = Math.max(...bins);
      const svg = document.createElementNS(space, "svg");
      svg.setAttribute("viewBox", `0 0 ${bins.length} 1`);
      svg.setAttribute("preserveAspectRatio", "none");
      svg.setAttribute("class", `bars ${kind}`);
      svg.setAttribute("role", "img");
      svg.setAttribute("aria-label", "distribution of the values");
      bins.forEach((count, k) => {
        const bar = document.createElementNS(space, "rect"), height = count ? Math.max(0.03, count / top) : 0;
        for (const [key, value] of Object.entries({ x: k + 0.06, y: 1 - height, width: 0.88, height, fill: "currentColor" })) bar.setAttribute(key, value);
        svg.append(bar);
      });
      shown.push(svg, make("div", { className: "ends" }, make("span", { textContent: low }), make("span", { textContent: high })));
    }
    return shown;
  }

  function aboutVariable(id) {
    const v = variables[id], gradient = variables[v.gradient];
    return [
      kindChip(v.kind, v.word),
      make("h1", { textContent: v.title }),
      v.name === v.title ? null : make("div", { className: "path", textContent: v.name }),
      make("h2", { textContent: "Array" }),
      rows([["op", v.op], ["shape", v.shape], ["dtype", v.dtype], ["elements", v.size], ["memory", v.memory], ...(v.settings || [])]),
      make("h2", { textContent: "Values" }),
      ...(v.numbers ? statistics(v.numbers, v.kind) : [make("div", { className: "path", textContent: "not known: give feeds= to compute them" })]),
      ...(gradient ? [
        make("h2", { textContent: "Gradient" }),
        rows([["array", link(v.gradient)]]),
        ...statistics(gradient.numbers, "gradient"),
      ] : []),
      ...list("Computed from", v.inputs.map(([operand, j]) => make("li", {}, link(j), make("small", { textContent: operand })))),
      ...list("Used by", v.uses.map((j) => make("li", {}, link(j), make("small", { textContent: variables[j].op || "" })))),
      ...(v.at ? [make("h2", { textContent: "Made at" }), make("div", { className: "path", textContent: v.at })] : []),
      v.code ? make("pre", { textContent: v.code }) : null,
    ].filter((part) => part !== null);
  }

  /** Of a stack of like scopes, `scope` is the first and `title` names them all. */
  function aboutScope(scope, ids, title = scope.split("/").pop(), count = ids.length) {
    const number = viewOf(scope);
    const open = number >= 0 && number !== now.number;
    return [
      kindChip("scope", "scope"),
      make("h1", { textContent: title }),
      make("div", { className: "path", textContent: scope }),
      make("div", { className: "path", textContent: plural(count, "variable") }),
      open ? make("button", { className: "open", textContent: `Open ${scope.split("/").pop()}`, onclick: () => show(number) }) : null,
      ...list("Inside", ids.slice(0, 200).map((id) => make("li", {}, link(id), make("small", { textContent: variables[id].op || variables[id].word })))),
    ].filter((part) => part !== null);
  }

  stage.addEventListener("click", (event) => {
    if (moved) return;
    const card = cardAt(event.target), box = event.target.closest?.("g.cluster[data-scope]");
    if (card !== null || !box) return void choose(card);
    choose(null);
    const scope = box.dataset.scope;
    const inside = Object.keys(variables).filter((id) => !variables[id].hidden && `${variables[id].scope}/`.startsWith(`${scope}/`));
    panel.replaceChildren(...aboutScope(scope, inside));
    reveal();
  });
  stage.addEventListener("dblclick", (event) => {
    const card = cardAt(event.target), box = event.target.closest?.("g.cluster[data-scope]");
    const scope = card !== null ? views[now.number].cards[card].scope : box?.dataset.scope;
    const number = scope ? viewOf(scope) : -1;
    if (number >= 0) show(number);
  });

  // ---------------------------------------------------------------- search

  /** Show a variable: here if it has a card here, else where it has one of its own, else where its scope has one. */
  function jump(id) {
    const kind = variables[id].kind === "gradient" ? "gradient" : views[now.number].kind;
    const find = (n, own) => views[n].cards.findIndex((card) => (own ? card.scope === null && card.ids[0] === id : card.ids.includes(id)));
    const order = [...views.keys()].sort((a, b) => rank(b, kind) - rank(a, kind));
    for (const own of [true, false]) {
      for (const n of order) {
        const card = find(n, own);
        if (card >= 0) {
          if (n !== now.number) show(n);
          choose(card);
          bring(now.cards[card]);
          if (!own) {
            panel.replaceChildren(...aboutVariable(id));
            reveal();
          }
          return;
        }
      }
    }
    choose(null);
    panel.replaceChildren(...aboutVariable(id));
    reveal();
  }
  const rank = (n, kind) => (n === now.number ? 2 : 0) + (views[n].kind === kind ? 1 : 0);

  function search() {
    const wanted = input.value.trim().toLowerCase();
    const found = !wanted ? [] : Object.entries(variables)
      .map(([id, v]) => ({ id: Number(id), v, place: Math.min(...[v.title, v.name].map((t) => t.toLowerCase().indexOf(wanted)).map((p) => (p < 0 ? Infinity : p))) }))
      .filter(({ place, v }) => place < Infinity && !v.hidden)
      .sort((a, b) => (a.v.kind === "gradient") - (b.v.kind === "gradient") || a.place - b.place || a.v.name.length - b.v.name.length)
      .slice(0, 12);
    hits.replaceChildren(...found.map(({ id, v }, k) => {
      const item = make("li", { role: "option", ariaSelected: String(k === 0), onclick: () => pick(item) },
        make("span", { textContent: v.kind === "gradient" ? v.title : v.name }), make("small", { textContent: v.op || v.word }));
      item.dataset.id = id;
      return item;
    }));
    hits.hidden = !found.length;
    input.ariaExpanded = String(!hits.hidden);
  }

  function pick(item) {
    hits.hidden = true;
    input.ariaExpanded = "false";
    if (item) jump(Number(item.dataset.id));
  }

  input.addEventListener("input", search);
  input.addEventListener("focus", search);
  input.addEventListener("blur", () => setTimeout(() => { hits.hidden = true; }, 150));
  input.addEventListener("keydown", (event) => {
    const items = [...hits.children], k = items.findIndex((item) => item.ariaSelected === "true");
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Enter") pick(items[k]);
    else if (event.key === "Escape") input.blur();
    else if (step && items.length) {
      event.preventDefault();
      items[k].ariaSelected = "false";
      const next = items[(k + step + items.length) % items.length];
      next.ariaSelected = "true";
      next.scrollIntoView({ block: "nearest" });
    } else return;
    event.stopPropagation();
  });

  // ---------------------------------------------------------------- keys and buttons

  function up() {
    if (!panel.hidden) choose(null);
    else if (views[now.number].parent !== null) show(views[now.number].parent);
  }
  document.addEventListener("keydown", (event) => {
    if (event.target === input || event.ctrlKey || event.metaKey || event.altKey) return;
    const arrow = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    const act = { "/": () => input.focus(), Escape: up, f: () => fit(), "+": () => zoom(1.25), "=": () => zoom(1.25), "-": () => zoom(0.8), 0: () => fit() }[event.key];
    const card = cardAt(event.target);
    if (event.key === "Enter" && card !== null) choose(card);
    else if (arrow && event.target.closest("#stage")) pan(60 * arrow[0], 60 * arrow[1]);
    else if (act) act();
    else return;
    event.preventDefault();
  });
  byId("in").onclick = () => zoom(1.25);
  byId("out").onclick = () => zoom(0.8);
  byId("fit").onclick = () => fit();
  const themes = [["(prefers-color-scheme: dark)", "light dark", "Theme: as the system"], ["all", "dark", "Theme: dark"], ["not all", "light", "Theme: light"]];
  let theme = 0;
  byId("theme").onclick = () => {
    theme = (theme + 1) % themes.length;
    const [media, scheme, title] = themes[theme];
    byId("dark").media = media;
    document.querySelector('meta[name="color-scheme"]').content = scheme;
    byId("theme").title = title;
  };

  show(0);
  for (const element of [stage, stage.parentElement]) sizes.observe(element);
  const start = Object.keys(variables).find((id) => variables[id].name === decodeURIComponent(location.hash.slice(1)));
  if (start !== undefined) jump(Number(start));
})();

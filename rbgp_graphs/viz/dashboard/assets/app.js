// Everything that happens on the page is an event: a name and a value. Events wait in one queue
// and go to the server a batch at a time, each with the state that the last answer gave.
(function () {
  "use strict";
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const places = { pattern: "pattern-group", about: "verdict", section: "figures" };
  const queue = [], filling = new Set(), busy = new Set();
  // Controls that the reader is changing; what components show; what parts should and do show.
  const touched = new Set(), shown = {}, wanted = {}, drawn = {};
  let state = null, draft = null, isSending = false, saving = null, telling = null;
  let isPressed = false, turned = -Infinity;

  const element = (id) => document.getElementById(id);
  const pause = (milliseconds) => new Promise((done) => window.setTimeout(done, milliseconds));
  const isWaiting = (id) => queue.some(([name]) => name === id);

  async function until(found) {
    while (!found()) { await pause(10); }
    return found();
  }

  // Hidden pages are not painted.
  function painted() {
    const frame = new Promise((done) => window.requestAnimationFrame(() => done(pause(0))));
    return Promise.race([frame, pause(100)]);
  }

  async function ask(path, body) {
    const response = await window.fetch(path, body && {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    if (!response.ok) { throw new Error(await response.text()); }
    return response.json();
  }

  // Events ---------------------------------------------------------------------------------

  // Of several values of one control only the last counts; of clicks, each.
  async function push(name, value = null) {
    if (value !== null && queue.length && queue[queue.length - 1][0] === name) { queue.pop(); }
    queue.push([name, value]);
    if (isSending) { return; }
    isSending = true;
    try {
      while (queue.length) { await send(queue.splice(0)); }
    } catch (error) {
      complain(error);
    } finally {
      isSending = false;
    }
    fill("about");
    fill("section");
  }

  async function send(batch) {
    setBusy("pattern", true);
    let answer;
    try {
      const events = await Promise.all(batch.map(async ([name, value]) => [name, await value]));
      answer = await ask("/answer", {
        state, draft, events, scheme: dark.matches ? "dark" : "light", drawn: drawn.pattern,
      });
    } catch (error) {
      // Without a connection they wait for the next one.
      if (error instanceof TypeError) { queue.unshift(...batch); }
      throw error;
    } finally {
      setBusy("pattern", false);
    }
    ({ state, draft } = answer);
    Object.assign(wanted, answer.keys);
    await show("pattern", answer);
    for (const [id, value] of Object.entries(answer.values)) {
      if (!touched.has(id) && !isWaiting(id)) { element(id).value = value; }
    }
    save(batch.some(([name]) => name === "url"));
  }

  function complain(error) {
    set("notice", { children: "The app did not answer: " + error.message });
  }

  // The address follows when the reader pauses: browsers refuse very many changes of it.
  function save(isReplacement) {
    window.clearTimeout(saving);
    saving = window.setTimeout(function () {
      if (window.location.search === state) { return; }
      const address = window.location.pathname + state + window.location.hash;
      window.history[isReplacement ? "replaceState" : "pushState"](null, "", address);
    }, 150);
  }

  // Answers --------------------------------------------------------------------------------

  function set(id, props) {
    if (element(id) instanceof HTMLInputElement) { Object.assign(element(id), props); return; }
    for (const [name, value] of Object.entries(props)) {
      const key = id + " " + name, text = JSON.stringify(value);
      if (shown[key] === text) { continue; }
      shown[key] = text;
      window.dash_clientside.set_props(id, { [name]: value });
    }
  }

  async function show(part, answer) {
    const key = wanted[part], plots = Object.entries(answer.plots);
    // What has a place already comes first: a zoom should not wait for words.
    const early = plots.filter(([id]) => element(id)), late = plots.filter(([id]) => !element(id));
    const isDrawn = await draw(early);
    if (early.length) { await painted(); }
    Object.entries(answer.props).forEach(([id, props]) => set(id, props));
    await draw(late);
    if (isDrawn) { drawn[part] = key; }
  }

  async function draw(plots) {
    for (const [id, plot] of plots) {
      const place = await until(() => element(id));
      if (id === "pattern") {
        // A picture that comes while a hand drags would throw it back.
        await until(() => !isPressed && window.performance.now() - turned > 80);
        if (isWaiting("drag")) { return false; }
      }
      const isNew = !place.classList.contains("js-plotly-plot");
      await window.Plotly.react(place, plot.data, plot.layout, plot.config);
      if (isNew) { listen(place, plot); }
    }
    return true;
  }

  // The slower parts: for each one request at a time, and then for what is wanted by then.
  async function fill(part) {
    if (filling.has(part)) { return; }
    filling.add(part);
    setBusy(part, true);
    try {
      while (drawn[part] !== wanted[part]) {
        const key = wanted[part], answer = await ask("/part/" + part + "/" + key);
        if (key === wanted[part]) { await show(part, answer); }
      }
    } catch (error) {
      complain(error);
    } finally {
      filling.delete(part);
      setBusy(part, false);
    }
  }

  function setBusy(part, isBusy) {
    busy[isBusy ? "add" : "delete"](part);
    element(places[part]).setAttribute("aria-busy", isBusy);
    window.clearTimeout(telling);
    telling = window.setTimeout(
      () => set("busy", { children: busy.size ? "Computing …" : "" }), busy.size ? 400 : 0
    );
  }

  // What is listened to --------------------------------------------------------------------

  function listen(place, plot) {
    if (plot.action) { window.rbgpFigures.attach(place, plot.action); }
    if (plot.click) {
      place.on("plotly_click", function (found) {
        const { x, y } = found.points[0];
        push(plot.click, plot.click === "candidate" ? [x, y] : cell(place, found.event));
      });
    }
    if (place.id !== "pattern") { return; }
    place.on("plotly_relayout", function (change) {
      const names = Object.keys(change).join(" ");
      if (names.includes("autorange")) { push("whole"); }
      else if (names.includes("axis")) {
        push("drag", [place.layout.yaxis.range, place.layout.xaxis.range]);
      }
    });
    place.addEventListener("pointerdown", () => { isPressed = true; }, true);
    // The wheel alone scrolls the page.
    place.addEventListener("wheel", function (event) {
      if (event.ctrlKey) { turned = window.performance.now(); } else { event.stopPropagation(); }
    }, true);
  }

  // The place of a click, also where one mark stands for many cells.
  function cell(place, event) {
    const box = place.querySelector(".nsewdrag").getBoundingClientRect();
    const { xaxis, yaxis } = place._fullLayout;
    return [xaxis.p2d(event.clientX - box.left), yaxis.p2d(event.clientY - box.top)];
  }

  ["pointerup", "pointercancel"].forEach(function (name) {
    window.addEventListener(name, () => { isPressed = false; }, true);
  });
  document.addEventListener("click", function (event) {
    const button = event.target.closest(".app button[id]");
    if (button && button.dataset.accept) { choose(button); } else if (button) { push(button.id); }
  });
  document.addEventListener("input", function ({ target }) {
    touched.add(target.id);
    if (target.type === "range") { push(target.id, target.value); }
  });
  document.addEventListener("change", function ({ target }) {
    touched.delete(target.id);
    if (target.type === "text") { push(target.id, target.value); }
  });
  document.addEventListener("focusout", ({ target }) => touched.delete(target.id));
  window.addEventListener("popstate", function () {
    window.clearTimeout(saving);
    push("url", window.location.search);
  });
  dark.addEventListener("change", () => push("url", state));

  // Files ----------------------------------------------------------------------------------

  function choose(button) {
    const input = document.createElement("input");
    input.type = "file";
    input.accept = button.dataset.accept;
    input.onchange = () => push(button.id, read(input.files[0]));
    input.click();
  }

  // Of a file that is too large, one byte more than allowed is enough to be told so.
  function read(file) {
    return new Promise(function (done, fail) {
      const reader = new FileReader(), largest = Number(element("open").dataset.largest);
      reader.onload = () => done({ name: file.name, content: reader.result.replace(/^.*,/, "") });
      reader.onerror = () => fail(reader.error);
      reader.readAsDataURL(file.slice(0, largest + 1));
    });
  }

  document.addEventListener("dragover", function (event) {
    if (event.dataTransfer.types.includes("Files")) { event.preventDefault(); }
  });
  document.addEventListener("drop", function (event) {
    if (!event.dataTransfer.files.length) { return; }
    event.preventDefault();
    push("open", read(event.dataTransfer.files[0]));
  });

  until(() => element("figures")).then(function () {
    document.querySelectorAll("[data-input]").forEach(function (place) {
      const input = document.createElement("input");
      place.append(Object.assign(input, { autocomplete: "off" }, JSON.parse(place.dataset.input)));
    });
    push("url", window.location.search);
  });
})();

// The drawing of the wire, its controls, and the client in the reader's own tab.
// Python's `Wire` says which messages go to the kernel and which come from it.

const INK = "var(--wire-ink)", MUTED = "var(--wire-muted)", PAPER = "var(--wire-paper)";
const GOOD = "#0072B2", HARM = "#D55E00"; // Okabe and Ito: the first, and one too many
const ROW = 24, ROWS = 7, LINES = 8;
const WIDE = {
  size: [560, 262], server: [8, 96, 86, 60], client: [190, 28, 196, 204], phone: [412, 28, 136, 226],
};
const NARROW = {
  size: [350, 470], server: [6, 100, 78, 60], client: [148, 28, 196, 204], phone: [106, 260, 138, 206],
};
const CLIENTS = {
  browser: "socket.io-client, in this tab",
  emitter: "EmitterClient, in the kernel",
  python: "python-socketio, in the kernel",
};
const PLACES = { inside: "inside connect", outside: "outside" };
const BUTTONS = {
  send: ["Send", "The server sends one message"],
  cut: ["Cut", "A TCP reset; the client comes back"],
  half_open: ["Half-open", "Only the client notices the end; the server keeps the session"],
  restart: ["Restart server", "The server dies, and another takes its place"],
  slow: ["Slow", "Every byte takes 0.2 s more in each direction; press again to stop"],
};
const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
const mix = (from, to, share) => from + (to - from) * share;
const ease = (share) => share * share * (3 - 2 * share);

// --- what is drawn: a function of a scene, so that a frame can be taken at any moment -------

const text = (x, y, words, more = "") => `<text x="${x}" y="${y}" fill="${INK}" ${more}>${words}</text>`;
const box = ([x, y, w, h], r) =>
  `<rect x="${x}" y="${y}" width="${w}" height="${h}" rx="${r}" fill="${PAPER}" stroke="${INK}" stroke-width="1.5"/>`;
const pill = (x, y, w, words, colour, opacity = 1) =>
  `<g opacity="${opacity.toFixed(2)}"><rect x="${x.toFixed(1)}" y="${y.toFixed(1)}" width="${w}" height="20" rx="5" fill="${colour}"/>` +
  `<text x="${(x + 8).toFixed(1)}" y="${(y + 14.5).toFixed(1)}" font-size="14" fill="#fff">${words}</text></g>`;
const title = ([x, y, w], words) => text(x + w / 2, y - 9, words, 'text-anchor="middle"');

export function frame({ server, client, phone }) {
  const [x, y, w, h] = server;
  return (
    box(server, 6) + text(x + w / 2, y + h / 2 + 5, "server", 'text-anchor="middle"') +
    box(client, 6) + title(client, "client: its listeners") +
    box(phone, 14) + title(phone, "what the user sees")
  );
}

export function moving(layout, scene) {
  return wire(layout, scene) + stack(layout, scene) + screen(layout, scene) + dots(scene);
}

const ends = ({ server: [x, y, w, h], client }) => [x + w, client[0], y + h / 2];

function wire(layout, { gap = 0, zombies = 0 }) {
  const [left, right, y] = ends(layout);
  const middle = (left + right) / 2, colour = gap ? HARM : MUTED;
  const line = (d, stroke, more = "") => `<path d="${d}" fill="none" stroke="${stroke}" stroke-width="3" ${more}/>`;
  let drawn = gap
    ? line(`M${left} ${y}H${middle - 12 - gap}l5 -12l6 24M${right} ${y}H${middle + 12 + gap}l-5 12l-6 -24`, colour)
    : line(`M${left} ${y}H${right}`, colour);
  for (let old = 1; old <= Math.min(zombies, 3); old += 1) {
    drawn += line(`M${left} ${y + old * 9}H${mix(left, right, 0.4)}`, MUTED, 'stroke-dasharray="4 4" opacity="0.7"');
  }
  return drawn;
}

const rowY = ({ client: [, y, , h] }, index) => y + h - 8 - (index + 1) * ROW;

function stack(layout, { listeners, place, falling = 0, leaving = null }) {
  const [x, y, w] = layout.client;
  const shown = listeners.slice(-ROWS);
  const label = (number) => `on("news") #${number}`;
  let drawn = leaving
    ? pill(x + 12 + leaving.share * w, rowY(layout, 0), w - 24, label(leaving.number), MUTED, 1 - leaving.share)
    : "";
  shown.forEach((number, index) => {
    const last = index === shown.length - 1;
    const up = last ? falling * (rowY(layout, index) - layout.client[1]) : 0;
    const first = number === listeners[0];
    drawn += pill(x + 12, rowY(layout, index) - up, w - 24, label(number), first ? GOOD : HARM);
  });
  const where = { inside: "registered inside connect", outside: "registered outside connect" }[place] ?? "";
  const more = listeners.length > ROWS ? `: ${listeners.length}` : "";
  return drawn + text(x + w / 2, y + 18, where + more, 'text-anchor="middle" font-size="13"');
}

const lineY = ({ phone: [, y] }, index) => y + 14 + index * 24;

function screen(layout, { lines }) {
  const [x, , w] = layout.phone;
  return lines
    .map((words, index) => {
      const again = lines.indexOf(words) < index;
      return pill(x + 10, lineY(layout, index), w - 20, words, again ? HARM : GOOD);
    })
    .join("");
}

const dots = ({ dots = [] }) =>
  dots
    .map(({ x, y, colour, opacity = 1 }) =>
      `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="7" fill="${colour}" opacity="${opacity.toFixed(2)}"/>`)
    .join("");

// --- how one state becomes the next ----------------------------------------------------------

const rest = (state) => ({
  listeners: state.stack, place: state.place, lines: state.screen, zombies: Math.max(0, state.counters.sids - 1),
});

// Calls `draw(scene)` at every animation frame, from state `before` to state `after`.
async function play(layout, before, after, draw) {
  const from = rest(before), to = rest(after), kind = after.move.kind;
  const during = (ms, scene) =>
    new Promise((done) => {
      const began = performance.now();
      const step = (now) => {
        const share = Math.min(1, Math.max(0, now - began) / ms);
        draw(scene(share));
        if (share < 1) requestAnimationFrame(step);
        else done();
      };
      requestAnimationFrame(step);
    });
  if (!still() && kind === "send") {
    await during(700, (share) => ({ ...from, dots: packets(layout, after, ease(share)) }));
    const [news, kept] = added(from.lines, to.lines, after.counters.calls);
    const fly = (share) => flights(layout, to, news, kept, share);
    await during(500 + 110 * news.length, (share) => ({ ...to, lines: kept, ...fly(share) }));
  } else if (!still() && ["cut", "half-open", "restart"].includes(kind)) {
    await during(200, (share) => ({ ...from, gap: 1 + 12 * share }));
    await during(500, () => ({ ...from, gap: 13 }));
    await during(250, (share) => ({ ...from, zombies: to.zombies, gap: 13 - 12.9 * share }));
    const grown = to.listeners.at(-1) !== from.listeners.at(-1);
    const replaced = grown && to.listeners.length === from.listeners.length;
    if (grown) {
      await during(450, (share) => ({
        ...to,
        falling: 1 - ease(share),
        leaving: replaced ? { number: from.listeners.at(-1), share: ease(share) } : null,
      }));
    }
  }
  draw(to);
}

// A dot for each packet; those of sessions that no client is behind end half-way.
function packets(layout, { counters }, share) {
  const [left, right, y] = ends(layout);
  return Array.from({ length: Math.min(counters.packets, 4) }, (_, index) => ({
    x: mix(left, index ? mix(left, right, 0.4) : right, share),
    y: y + index * 9,
    colour: index ? MUTED : INK,
    opacity: index ? 1 - share : 1,
  }));
}

// The lines that this message has added, at most as many as the screen shows, and those before.
function added(before, after, calls) {
  const news = after.slice(after.length - Math.min(calls, after.length));
  return [news, after.slice(0, after.length - news.length)];
}

function flights(layout, { listeners }, news, kept, share) {
  const [x, , w] = layout.client;
  const ms = share * (500 + 110 * news.length), down = layout.size[0] < 500;
  const landed = [], flying = [];
  news.forEach((words, index) => {
    const own = (ms - index * 110) / 500;
    const row = rowY(layout, Math.min(index, listeners.length - 1, ROWS - 1)) + 10;
    if (own >= 1) landed.push(words);
    else if (own > 0) {
      flying.push({
        x: mix(x + w - 20, layout.phone[0] + (down ? 40 : 14), ease(own)),
        y: mix(row, lineY(layout, kept.length + index) + 10, ease(own)),
        colour: index ? HARM : GOOD,
      });
    }
  });
  return { lines: [...kept, ...landed], dots: flying };
}

// --- one view ----------------------------------------------------------------------------------

export class View {
  constructor(el, { press, choose, again }) {
    this.queue = Promise.resolve();
    this.state = null;
    el.classList.add("sio-wire");
    el.innerHTML = `
      <div class="bar">${Object.entries(BUTTONS)
        .map(([name, [label, what]]) => `<button type="button" data-press="${name}" title="${what}">${label}</button>`)
        .join("")}<button type="button" data-again hidden>Play again</button></div>
      <div class="bar">${places()}${clients()}</div>
      <p role="status" aria-live="polite"></p>
      <svg role="img" font-size="15"><g class="frame"></g><g class="moving"></g></svg>
      <p class="counters"></p>`;
    for (const control of el.querySelectorAll("button, input, select")) {
      control.dataset.lmSuppressShortcuts = "true"; // its keys are not for JupyterLab
      if (control.type === "radio") control.name = `listener-${View.count}`;
    }
    View.count += 1;
    this.el = el;
    this.svg = el.querySelector("svg");
    el.addEventListener("click", ({ target }) => {
      if (target.dataset.press) press(target.dataset.press);
      if ("again" in target.dataset) again();
    });
    this.client = el.querySelector("select");
    el.addEventListener("change", () =>
      choose(this.client.value, el.querySelector("input:checked").value));
    this.lay(WIDE);
    this.sizes = new ResizeObserver(([{ contentRect }]) => this.lay(contentRect.width < 560 ? NARROW : WIDE));
    this.sizes.observe(el);
  }

  lay(layout) {
    if (layout === this.layout) return;
    this.layout = layout;
    this.svg.setAttribute("viewBox", `0 0 ${layout.size.join(" ")}`);
    this.svg.style.maxWidth = `${layout.size[0]}px`;
    this.svg.querySelector(".frame").innerHTML = frame(layout);
    if (this.state) this.draw(rest(this.state));
  }

  draw(scene) {
    this.svg.querySelector(".moving").innerHTML = moving(this.layout, scene);
  }

  // Show a state, after those before have been played.
  show(state, live) {
    this.queue = this.queue.then(async () => {
      const before = this.state ?? state;
      this.state = state;
      if (state.move.number !== before.move.number) this.say(""); // the same words are said again
      this.label(state, live);
      if (state.move.number === before.move.number) this.draw(rest(state));
      else await play(this.layout, before, state, (scene) => this.draw(scene));
    });
    return this.queue;
  }

  label(state, live, words = state.status) {
    const { counters } = state;
    this.enable(live);
    this.client.value = state.client;
    this.el.querySelector(`input[value=${state.place}]`).checked = true;
    this.el.querySelector("[data-press=slow]").ariaPressed = String(Boolean(state.slow));
    const count = state.stack.length;
    this.svg.ariaLabel = `${count} listener${count === 1 ? "" : "s"} in the client; the user sees: ${state.screen.join(", ") || "nothing yet"}`;
    this.say(words);
    this.el.querySelector(".counters").innerHTML =
      `Now: listeners <b>${counters.listeners}</b>, live sids <b>${counters.sids}</b>. Last message: ` +
      `packets <b>${counters.packets}</b>, calls <b>${counters.calls}</b>, effects <b>${counters.effects}</b>.`;
  }

  say(words) {
    const status = this.el.querySelector("[role=status]");
    if (status.textContent !== words) status.textContent = words;
  }

  enable(live) {
    for (const control of this.el.querySelectorAll("[data-press], input, select")) control.disabled = !live;
    this.el.querySelector("[data-again]").hidden = live;
  }
}
View.count = 0;

const places = () =>
  `<fieldset><legend>Listener</legend>${Object.entries(PLACES)
    .map(([value, label]) => `<label><input type="radio" value="${value}">${label}</label>`)
    .join("")}</fieldset>`;

const clients = () =>
  `<label><b>Client</b><select>${Object.entries(CLIENTS)
    .map(([value, label]) => `<option value="${value}">${label}</option>`)
    .join("")}</select></label>`;

// Play a recorded run: a list of states.
export async function replay(view, recording, why) {
  view.state = null;
  for (const state of recording) {
    await view.show(state, false);
    view.say(`${why} ${state.status}`);
    await new Promise((done) => setTimeout(done, 900));
  }
}

// --- the widget --------------------------------------------------------------------------------

let loading; // socket.io-client is loaded once for each page

function load(library) {
  const url = URL.createObjectURL(new Blob([library], { type: "text/javascript" }));
  return import(url).finally(() => URL.revokeObjectURL(url));
}

const GONE = "Recorded run: the kernel is gone. Run this cell to bring the wire to life.";
const WAITING = 20_000; // ms that the kernel may take to answer

export default () => {
  const page = Math.random().toString(36).slice(2);
  const views = new Set();
  let socket = null, turn = 0, live = true, timer;

  function stop() {
    turn += 1;
    socket?.disconnect();
    socket = null;
  }

  async function start({ url, place, library }) {
    stop();
    const mine = turn;
    loading ??= load(library);
    const { io } = await loading;
    if (mine === turn) socket = startClient(io, url, place, () => {});
  }

  function fall_asleep(model) {
    if (!live) return;
    live = false;
    stop();
    for (const view of views) replay(view, model.get("recording"), GONE);
  }

  return {
    initialize({ model }) {
      model.on("msg:custom", (message) => {
        if (message.kind === "start" && message.page === page) start(message);
        else stop();
      });
      model.on("change:state", () => {
        clearTimeout(timer);
        const state = model.get("state");
        for (const view of views) {
          if (state.move) view.show(state, state.ready);
        }
      });
      model.on("comm_live_update", () => fall_asleep(model));
      model.send({ page, origin: location.origin });
      timer = setTimeout(() => fall_asleep(model), WAITING);
      return () => fall_asleep(model);
    },
    render({ model, el }) {
      const view = new View(el, {
        press: (name) => model.send({ press: name }),
        choose: (client, place) => model.send({ choose: { client, place } }),
        again: () => replay(view, model.get("recording"), GONE),
      });
      views.add(view);
      const state = model.get("state");
      if (!live) replay(view, model.get("recording"), GONE);
      else if (state.move) view.show(state, state.ready);
      else {
        view.enable(true);
        view.say("Waking up…");
        view.draw({ listeners: [], lines: [] });
      }
      return () => {
        view.sizes.disconnect();
        views.delete(view);
      };
    },
  };
};

// The reader's own browser tab as a client: it runs the real socket.io-client.
//
//   to the kernel     {page, origin}                                   this tab shows the panel
//   from the kernel   {kind: "start", page, url, place, library}       begin anew, and connect
//                     {kind: "stop"}                                   disconnect for good
//
// The counters go to the kernel on the connection itself, as the acknowledgement of "count".

const LINES_SHOWN = 8;

let loading; // socket.io-client is loaded once for each page

function load(library) {
  const url = URL.createObjectURL(new Blob([library], { type: "text/javascript" }));
  return import(url).finally(() => URL.revokeObjectURL(url));
}

// The program under study. `place` decides whether its listener piles up.
function connect(io, url, place, changed) {
  const socket = io(url, {
    transports: ["websocket"],
    reconnectionDelay: 10,
    reconnectionDelayMax: 1000,
    reconnectionAttempts: 100, // the kernel may be gone
    randomizationFactor: 0,
    forceNew: true,
  });
  let calls = 0;
  const lines = []; // on the user's screen: the effect

  const register = () => {
    socket.on("news", (number) => {
      calls += 1;
      lines.push(`news ${number}`);
      changed();
    });
  };
  if (place === "inside") socket.on("connect", register);
  else register();

  socket.on("count", (ack) =>
    ack({ listeners: socket.listeners("news").length, calls, effects: lines.length }),
  );
  for (const event of ["connect", "disconnect"]) socket.on(event, changed);
  return { socket, lines };
}

export default () => {
  const page = Math.random().toString(36).slice(2);
  const views = new Set();
  let client = null;
  let state = "off";
  let turn = 0; // counts what the kernel has said

  function changed() {
    if (client) state = client.socket.connected ? "connected" : "not connected";
    for (const view of views) draw(view, state, client?.lines ?? []);
  }

  function stop(why) {
    turn += 1;
    client?.socket.disconnect();
    client = null;
    state = why;
    changed();
  }

  async function start({ url, place, library }) {
    stop("connecting");
    const mine = turn;
    loading ??= load(library);
    const { io } = await loading;
    if (mine !== turn) return; // something else was said meanwhile
    client = connect(io, url, place, changed);
  }

  return {
    initialize({ model }) {
      model.on("msg:custom", (message) => {
        if (message.kind === "stop") stop("off");
        else if (message.page === page) start(message);
        else stop("the panel runs in another tab now");
      });
      model.send({ page, origin: location.origin });
      return () => stop("off"); // the kernel has ended
    },
    render({ el }) {
      views.add(el);
      changed();
      return () => views.delete(el);
    },
  };
};

function draw(view, state, lines) {
  const list = document.createElement("ul");
  list.style.margin = "0";
  const shown = lines.length ? lines.slice(-LINES_SHOWN) : ["(nothing yet)"];
  for (const line of shown) list.appendChild(document.createElement("li")).textContent = line;
  view.replaceChildren(`What the user sees (this tab's client: ${state}): `, list);
  view.style.lineHeight = "1.4";
}

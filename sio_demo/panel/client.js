// The program under study, with the real socket.io-client: in the reader's tab, or in Node.js.
// `place` decides whether its listener piles up.

function startClient(io, url, place, changed) {
  const socket = io(url, {
    transports: ["websocket"],
    reconnectionDelay: 10,
    reconnectionDelayMax: 1000,
    reconnectionAttempts: 100, // the kernel may be gone
    randomizationFactor: 0,
    forceNew: true,
  });
  let registered = 0;
  let calls = 0;
  const screen = []; // what the user sees

  const register = () => {
    registered += 1;
    socket.on("news", (number) => {
      calls += 1;
      screen.push(`news ${number}`);
    });
  };
  if (place === "inside") socket.on("connect", register);
  else register();

  socket.on("report", (ack) =>
    ack({ listeners: socket.listeners("news").length, registered, calls, screen }),
  );
  for (const event of ["connect", "disconnect"]) socket.on(event, changed);
  return socket;
}

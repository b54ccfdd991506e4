// A plain TCP socket that was handed over: only events of streams, and no library to tell.
export function attach(socket) {
  socket.on("connect", () => {
    socket.setKeepAlive(true);
    socket.on("data", (chunk) => console.log(chunk));
    socket.on("error", (error) => console.error(error));
  });
}

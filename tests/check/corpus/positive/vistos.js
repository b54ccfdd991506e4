// Names in Spanish or Portuguese.
const procesados = new Set();
const io = require("socket.io")(3000);

io.on("connection", (socket) => {
  socket.on("pago", async ({ id, valor }) => {
    if (procesados.has(id)) return; // expect: check-then-await
    await cobrar(valor);
    procesados.add(id);
  });
});

// Hooks of a model stay for the life of the process, and nothing can take them back.
const { Server } = require("socket.io");
const Invoice = require("./invoice");
const { invoiceSchema } = require("./schemas");
const io = new Server(3000);

io.on("connection", (socket) => {
  Invoice.schema.post("save", (doc) => socket.emit("invoice", doc)); // expect: shared-emitter-in-connection
  invoiceSchema.pre("remove", (doc) => socket.emit("gone", doc)); // expect: shared-emitter-in-connection
  socket.on("pay", (bill) => axios.post("/bills", bill));
});

Invoice.schema.post("save", (doc) => io.emit("invoice", doc));

// What a request makes, in other frameworks too.
const Koa = require("koa");
const connect = require("socket.io-client");
const { Server } = require("socket.io");
const app = new Koa();
const io = new Server(app.listen(3000));

app.use(async (ctx, next) => {
  io.on("connection", (socket) => socket.emit("seen", ctx.path)); // expect: connection-in-request
  await next();
});

exports.tell = (req, res) => {
  const other = connect("http://other"); // expect: client-in-handler
  other.emit("tell", req.body);
  res.end();
};
exports.ask = (req, res) => {
  const other = connect("http://other");
  other.emit("ask", req.body, (answer) => {
    other.close();
    res.json(answer);
  });
};

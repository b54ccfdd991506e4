// One name for the library and for the client.
var io = io.connect("http://localhost:3000");

io.on("connect", function () {
  io.emit("join", "news");
  io.on("news", console.log); // expect: listener-in-connect
});

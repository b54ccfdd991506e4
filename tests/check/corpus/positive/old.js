// The classes of the script that the server gives out.
var talk = new io.Socket("example.org");

function again() {
  talk = new io.Socket("example.org"); // expect: client-in-handler
  talk.connect();
  talk.on("disconnect", again);
}

talk.on("connect", function () {
  talk.on("message", show); // expect: listener-in-connect
});
talk.on("disconnect", again);

// Nothing here emits: only an event that no stream has tells what this is.
socket.on("connect", function () {
  setInterval(look, 1000); // expect: timer-in-connect
});
socket.on("latency", show);

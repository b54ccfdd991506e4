const { Server } = require("socket.io");
const cron = require("node-cron");
const fs = require("fs");
const Parcel = require("./parcel");
const io = new Server(3000);
let line;

io.on("connection", (socket) => {
  const mine = Parcel.watch();
  mine.on("change", (change) => socket.emit("parcel", change)); // to a socket that has gone: to none
  const changes = Parcel.watch();
  changes.on("change", (change) => io.emit("parcel", change));
  const reread = () => socket.emit("routes");
  fs.watchFile("routes.json", reread);
  const minutes = cron.schedule("* * * * *", () => socket.emit("minute"));
  schedule("parcels", socket.id); // of this application
  line = Parcel.line();
  line.open("desk");
  line.on("ring", () => socket.emit("ring"));
  socket.on("disconnect", () => {
    line.close();
    changes.close();
    minutes.stop();
    fs.unwatchFile("routes.json", reread);
  });
});

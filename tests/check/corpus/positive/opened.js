// What each connection opens or plans for all, and what it adds to what is there for all.
const { Server } = require("socket.io");
const cron = require("node-cron");
const { CronJob } = require("cron");
const schedule = require("node-schedule");
const fs = require("fs");
const Parcel = require("./parcel");
const io = new Server(3000);
const scale = new (require("kitchen-scale").Scale)();

io.on("connection", (socket) => {
  const changes = Parcel.watch();
  changes.on("change", (change) => io.emit("parcel", change)); // expect: shared-emitter-in-connection
  Parcel.watch([{ $match: { late: true } }]).on("change", () => io.to("desk").emit("late")); // expect: shared-emitter-in-connection
  fs.watchFile("routes.json", () => socket.emit("routes")); // expect: shared-emitter-in-connection
  cron.schedule("* * * * *", () => socket.emit("minute")); // expect: timer-in-connect
  schedule.scheduleJob("0 * * * *", () => socket.emit("hour")); // expect: timer-in-connect
  new CronJob("0 0 * * *", () => socket.emit("day"), null, true); // expect: timer-in-connect
  scale.open("usb0", () => {
    scale.on("weight", (grams) => socket.emit("weight", grams)); // expect: shared-emitter-in-connection
  });
  socket.on("disconnect", () => scale.close()); // and the next connection opens the same one
});

// A module that is handed its server: what it emits with tells that it speaks Socket.IO.
const { getIO } = require("./realtime");
const delivered = new Set();

exports.tell = async (message) => {
  if (delivered.has(message.id)) return; // expect: check-then-await
  const user = await User.findById(message.to);
  const io = getIO();
  io.to(user.room).emit("message", message);
  delivered.add(message.id);
};

// A file called `socket.io.js` is one's own if a client comes from it.
import socket from "~/plugins/socket.io.js";

export default {
  methods: {
    enter(name) {
      socket.auth = { name };
      socket.connect();
    },
  },
  mounted() {
    this.enter(localStorage.name);
    socket.on("session", this.keep);
  },
  destroyed() {
    socket.off("session");
  },
};

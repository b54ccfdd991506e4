// The client that a script of the page has put into `window`.
export default {
  template: "<p>{{ level }}</p>",
  mounted() {
    const socket = window.io(); // expect: client-in-handler
    socket.on("level", (level) => (this.level = level));
  },
};

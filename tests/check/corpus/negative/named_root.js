// The root component is mounted once, also where it has a name.
const panel = {
  data: () => ({ level: 0 }),
  template: "<p>{{ level }}</p>",
  mounted() {
    const socket = window.io();
    socket.on("level", (level) => (this.level = level));
  },
};

Vue.createApp(panel).mount("#panel");

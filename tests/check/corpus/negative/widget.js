import { socket } from "./socket.js";

export const Counter = {
  template: "<p>{{ count }}</p>",
  mounted() {
    socket.on("count", this.show);
  },
  beforeUnmount() {
    socket.off("count", this.show);
  },
};

// The root of a page is mounted once.
new Vue({
  el: "#app",
  mounted() {
    socket.on("count", this.show);
  },
  methods: {
    show(count) {
      this.count = count;
    },
  },
});

// Not a component: whoever has this object calls its method.
export const plugin = {
  created() {
    socket.on("count", console.log);
  },
  name: "plugin",
};

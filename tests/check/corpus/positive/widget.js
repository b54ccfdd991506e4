import { socket } from "./socket.js";

export const Counter = {
  template: "<p>{{ count }}</p>",
  data: () => ({ count: 0 }),
  mounted() {
    socket.on("count", (count) => { // expect: listener-without-cleanup
      this.count = count;
    });
  },
};

app.component("score-board", {
  props: ["room"],
  created: function () {
    socket.on("score", this.show); // expect: listener-without-cleanup
  },
  methods: {
    show(score) {
      this.score = score;
    },
  },
});

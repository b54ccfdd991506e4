// Other emitters with a `connect` event.
const net = require("node:net");
const mqtt = require("mqtt");
const { createClient } = require("redis");
const WebSocket = require("ws");
const { Socket } = require("phoenix");

const broker = mqtt.connect("mqtt://localhost");
broker.on("connect", () => {
  broker.subscribe("news");
  broker.on("message", console.log);
});

const socket = net.connect(7000);
socket.on("connect", () => {
  socket.on("data", console.log);
  setInterval(() => socket.write("alive"), 1000);
});

const redis = createClient();
redis.on("connect", () => {
  redis.on("error", console.error);
});

const server = new WebSocket.Server({ port: 8080 });
server.on("connection", (client) => {
  client.on("message", console.log);
});

const phoenix = new Socket("/socket");
phoenix.connect();

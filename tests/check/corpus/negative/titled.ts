// A text with the socket's id that no one takes for the id of a message.
import { io } from "socket.io-client";

const socket = io();
const title = (count: number) => `${socket.id} (${count})`;
setInterval(() => (document.title = title(performance.now())), 1000);

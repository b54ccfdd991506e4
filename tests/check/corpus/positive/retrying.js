// Clients that send again what is acknowledged.
import { io } from "socket.io-client";

export const orders = io("https://example.org", { retries: 3 }); // expect: retries-without-timeout

const options = {
  transports: ["websocket"],
  retries: 10, // expect: retries-without-timeout
};
export const payments = io(options);

export function visitors(retries) {
  return io("https://example.org/visitors", {
    auth: { token: "secret" },
    retries, // expect: retries-without-timeout
  });
}

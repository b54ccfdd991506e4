// Retries that end when the message is acknowledged, and retries of something else.
import { io } from "socket.io-client";
import { defaults } from "./options";
import got from "got";

export const orders = io("https://example.org", { retries: 3, ackTimeout: 10000 });
export const visitors = io({ ...defaults, retries: 3 }); // perhaps with an `ackTimeout`
export const news = io({ retries: 0 });
export const prices = io({ auth: { retries: 3 } });

export const load = () => got("https://example.org", { retries: 3 });

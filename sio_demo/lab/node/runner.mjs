// Runs snippets of JavaScript for node.py. JSON lines in on stdin, JSON lines out on stdout:
//
//   in   {"id": 1, "code": "let calls = 0"}
//   out  {"id": 1, "value": null}   or   {"id": 1, "error": "RangeError: ..."}   the answer
//        {"log": "..."}                                                          console.log
//        {"error": "..."}                                    thrown later, by a listener or timer
//
// The main thread carries lines and watches stdin; a worker thread runs the snippets. So the
// process ends when the notebook does, even while a snippet loops for ever.

import { webcrypto } from "node:crypto";
import { Session } from "node:inspector";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { format, inspect, promisify } from "node:util";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";

const READY = 0;

function watchStdin() {
  // SIGKILL: nothing that a snippet does can delay it.
  const end = () => process.kill(process.pid, "SIGKILL");
  const worker = new Worker(new URL(import.meta.url), {
    workerData: process.argv[2],
    resourceLimits: { maxOldGenerationSizeMb: 512 }, // a snippet that loops may fill the memory
  });
  worker.on("message", (line) => process.stdout.write(line + "\n"));
  worker.on("error", (error) => console.error(String(error)));
  worker.on("exit", (code) => process.exit(code));
  process.stdout.on("error", end);
  createInterface({ input: process.stdin })
    .on("line", (line) => worker.postMessage(JSON.parse(line)))
    .on("close", end);
}

async function runSnippets(url) {
  const { io } = await import("socket.io-client");
  const require = createRequire(import.meta.url); // the packages beside this file
  const load = (module) => import(module); // a snippet itself cannot
  Object.assign(globalThis, { io, url, require, load });
  globalThis.crypto ??= webcrypto; // Node.js 18 has it, but not as a global

  const send = (message) => parentPort.postMessage(JSON.stringify(message));
  for (const level of ["log", "info", "warn", "error", "debug"]) {
    console[level] = (...args) => send({ log: format(...args) });
  }
  const sendLater = (error) => send({ error: error?.stack ?? `Uncaught ${inspect(error)}` });
  process.on("uncaughtException", sendLater);
  process.on("unhandledRejection", sendLater);
  Error.stackTraceLimit = 50; // deep enough to reach the snippet's own line

  const evaluate = evaluator();
  parentPort.on("message", async ({ id, code }) => send({ id, ...(await evaluate(id, code)) }));
  send({ id: READY, value: process.pid });
}

// The inspector's REPL mode is what a browser's console uses: `const` may be declared again, and
// `await` stands at the top level.
function evaluator() {
  const session = new Session();
  session.connect();
  const post = promisify(session.post.bind(session));

  return async function evaluate(id, code) {
    const objectGroup = `run ${id}`;
    const expression = `${code}\n//# sourceURL=snippet-${id}`;
    const common = { objectGroup, awaitPromise: true };
    try {
      let answer = await post("Runtime.evaluate", { ...common, expression, replMode: true });
      const { objectId } = answer.result;
      if (objectId === undefined || answer.exceptionDetails) return outcome(id, answer);
      const functionDeclaration = String(toJSON);
      answer = await post("Runtime.callFunctionOn", { ...common, objectId, functionDeclaration });
      return answer.exceptionDetails ? outcome(id, answer) : { value: JSON.parse(answer.result.value) };
    } finally {
      await post("Runtime.releaseObjectGroup", { objectGroup });
    }
  };
}

// Runs with the snippet's value as `this`. What JSON cannot hold (a socket, say) is null.
async function toJSON() {
  const value = await this;
  try {
    return JSON.stringify(value) ?? "null";
  } catch {
    return "null";
  }
}

function outcome(id, { result, exceptionDetails: details }) {
  if (!details) return { value: result.value ?? null };
  const { subtype, description, value } = details.exception;
  const error = subtype === "error" ? description : `Uncaught ${JSON.stringify(value) ?? description}`;
  // Only a syntax error has its position here; the others have it in their stack.
  const { scriptId, lineNumber, columnNumber } = details;
  const frame = scriptId ? `\n    at snippet-${id}:${lineNumber + 1}:${columnNumber + 1}` : "";
  return { error: error + frame };
}

if (isMainThread) watchStdin();
else await runSnippets(workerData);

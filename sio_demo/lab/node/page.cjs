// A page without a browser, for components of React and Vue: it makes the globals they look for.

process.env.NODE_ENV = "development"; // the build in which React's StrictMode runs effects twice
const { createWindow, impl } = require("domino");
const { unstable_IdlePriority: IDLE, unstable_scheduleCallback: schedule } = require("scheduler");

const window = createWindow('<div id="app"></div>');
const { document, navigator } = window;
Object.assign(globalThis, { window, document, Element: impl.Element, SVGElement: impl.SVGElement });
globalThis.navigator ??= navigator; // newer Node.js has its own

// Returns the text on the page, once React has nothing left to render and no effect to run. (Vue
// renders in a microtask, which is over by then.)
exports.rendered = async () => {
  await new Promise((done) => schedule(IDLE, done));
  return document.body.textContent;
};

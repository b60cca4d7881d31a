// A jsdom window that has loaded one version's browser build: real JSONP, and polling with binary bodies (XHR2),
// neither of which the node builds can do.
import { existsSync, readFileSync } from "node:fs";
import { JSDOM, VirtualConsole } from "jsdom";

export function openBrowser(version, url) {
  const { window } = new JSDOM("<!doctype html><script></script>", {
    url, // the page's origin is the server's, so that no CORS is involved
    runScripts: "dangerously",
    resources: "usable",
    virtualConsole: new VirtualConsole(), // silent: jsdom reports every script it could not load
  });
  letScriptsRace(window);
  submitForms(window);
  window.eval(readFileSync(bundle(version), "utf8"));
  return window;
}

/** jsdom knows the attribute only, not the property that JSONP sets; without it each poll waits for the others. */
function letScriptsRace(window) {
  Object.defineProperty(window.HTMLScriptElement.prototype, "async", {
    set(on) {
      this.toggleAttribute("async", on);
    },
  });
}

/** jsdom does not navigate. JSONP posts a form into an iframe and waits for that iframe's load: done here by hand. */
function submitForms(window) {
  const { document } = window;
  const create = document.createElement.bind(document);
  // In jsdom an iframe is a whole window, too dear for one per request; an element by that name is all JSONP needs.
  document.createElement = (tag, options) => create(tag === "iframe" ? "div" : tag, options);
  window.HTMLFormElement.prototype.submit = function () {
    const target = document.getElementById(this.target);
    const body = new URLSearchParams([...this.elements].map(({ name, value }) => [name, value]));
    const loaded = () => target?.onload?.();
    fetch(this.action, { method: "POST", body }).then((response) => response.text()).then(loaded, loaded);
  };
}

function bundle(version) {
  const folder = new URL(`../node_modules/sio-${version}/`, import.meta.url);
  return [new URL("dist/socket.io.js", folder), new URL("socket.io.js", folder)].find((file) => existsSync(file));
}

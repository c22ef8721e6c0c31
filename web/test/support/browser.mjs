/** Pages in a real Chromium, with everything that they say in the console. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { chromium } from "playwright-core";
import { serve } from "./server.mjs";

const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";
export const BUILT = new URL("../../../src/inlaid/browser/", import.meta.url);
const GOLDEN = new URL("../../../tests/golden/", import.meta.url);

/** A sentence that says why there is no browser; false if there is one. */
export const missing = !existsSync(CHROMIUM) && `${CHROMIUM} is not here; set CHROMIUM`;

export const golden = (name) => readFileSync(new URL(`${name}.jpg`, GOLDEN));

/** The built scripts by their paths, as a site has them at its root. */
export function scripts() {
  const names = readdirSync(BUILT).filter((name) => /\.(js|wasm)$/.test(name));
  const priors = readdirSync(new URL("priors/", BUILT)).map((name) => `priors/${name}`);
  return Object.fromEntries([...names, ...priors].map((name) => [`/${name}`, readFileSync(new URL(name, BUILT))]));
}

export const launch = () => chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-dev-shm-usage"] });

export const SCRIPT = '<script type="module" src="inlaid.js"></script>';

/** An HTML page with this body and the script.  `head` may hold another script tag. */
export const html = (body, head = SCRIPT) =>
  `<!doctype html><html lang="en"><meta charset="utf-8"><title>page</title>${head}<body>${body}</body></html>`;

/**
 * Open `body` as a page beside `files`.  Returns the page, its server and `lines`: what the console said.
 *
 * Every event `inlaid` is kept in `window.events`.
 */
export async function open(browser, body, files, { head, server: settings, ...context } = {}) {
  const server = await serve({ ...scripts(), "/page.html": html(body, head), "/favicon.ico": "", ...files }, settings);
  const page = await browser.newPage({ viewport: { width: 1000, height: 700 }, ...context });
  const lines = [];
  page.on("console", (message) => lines.push(message.text()));
  page.on("pageerror", (error) => lines.push(`error: ${error.message}`));
  await page.addInitScript(() => {
    window.events = [];
    window.violations = [];
    addEventListener("inlaid", (event) => window.events.push({ id: event.target.id, ...event.detail }), true);
    addEventListener("securitypolicyviolation", (event) => window.violations.push(event.violatedDirective));
  });
  await page.goto(`${server.url}/page.html`);
  return {
    page, server, lines,
    /** Wait until an image has this state. */
    state: (id, state = "restored") => page.waitForSelector(`#${id}[data-inlaid-state="${state}"]`, { timeout: 20_000, state: "attached" }),
    /** Let everything come to rest. */
    rest: (ms = 400) => page.waitForTimeout(ms),
    close: async () => {
      await page.close();
      await server.close();
    },
  };
}

/** Wait until `read` gives something true in the page.  A strict policy forbids what playwright's `waitForFunction` does. */
export async function until(page, read) {
  while (!(await page.evaluate(read))) await page.waitForTimeout(50);
}

/** True for an image that shows a restored picture. */
export const isRestored = (page, id) => page.evaluate((id) => document.getElementById(id).style.content.includes("blob:"), id);

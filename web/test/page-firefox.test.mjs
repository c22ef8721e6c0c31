/** Firefox, headless, once: its pixels are exact.  The page reports to the test's server. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { golden, html, launch, missing, scripts } from "./support/browser.mjs";
import { damaged, oriented, stripped } from "./support/files.mjs";
import { serve, STRICT } from "./support/server.mjs";

const FIREFOX = [process.env.FIREFOX, "firefox-esr", "firefox"].filter(Boolean).find((name) => spawnSync(name, ["--version"]).status === 0);
const NAMES = ["fitted-420", "fitted-444-progressive", "fitted-gray", "fitted-large-gray", "prior-alone-gray"];
const WAIT_MS = 60_000;

/** In the page: waits for its images, and sends what became of them, and whether the pixels are the exact ones. */
const REPORT = `
import { decodePixels } from "./inlaid.js";
const said = {};
const all = Promise.all([...document.images].map((image) => new Promise((resolve) => {
  const done = () => { said[image.id] = { state: image.dataset.inlaidState, shown: getComputedStyle(image).content.includes("blob:"), size: [image.width, image.height] }; resolve(); };
  image.dataset.inlaidState ? done() : image.addEventListener("inlaid", (event) => { done(); said[image.id].exact = event.detail.exact; });
})));
await Promise.race([all, new Promise((resolve) => setTimeout(resolve, 20000))]);
const pixels = {};
for (const name of ${JSON.stringify(NAMES)}) {
  const bytes = async (path) => new Uint8Array(await (await fetch(path)).arrayBuffer());
  const [found, exact] = [await decodePixels(await bytes(name + ".jpg")), await bytes(name + ".bin")];
  const equal = found.pixels.length === exact.length && exact.every((value, i) => value === found.pixels[i]);
  pixels[name] = { state: found.state, exact: found.exact, equal };
}
await fetch("report?" + encodeURIComponent(JSON.stringify({ said, pixels })));
`;

test("Firefox", { skip: missing || (!FIREFOX && "no firefox-esr here; set FIREFOX"), timeout: 3 * WAIT_MS }, async (t) => {
  const files = { ...scripts(), "/report.js": REPORT, "/favicon.ico": "", "/blank.html": html("") };
  for (const name of NAMES) files[`/${name}.jpg`] = golden(name);
  Object.assign(files, { "/plain.jpg": stripped(golden(NAMES[0])), "/damaged.jpg": damaged(golden(NAMES[0])), "/turned.jpg": oriented(golden(NAMES[0]), 6) });
  const images = [...NAMES, "plain", "damaged", "turned"].map((name) => `<img id="${name}" src="${name}.jpg">`).join("");
  files["/page.html"] = html(`${images}<script type="module" src="report.js"></script>`);
  let report;
  const reported = new Promise((resolve) => {
    files["/report"] = (request) => {
      resolve((report = JSON.parse(decodeURIComponent(request.url.split("?")[1]))));
      return "";
    };
  });
  const server = await serve(files, { csp: STRICT });
  t.after(server.close);
  await exactPixels(server.url, files);
  server.log.length = 0;

  const profile = mkdtempSync(join(tmpdir(), "inlaid-firefox-"));
  const firefox = spawn(FIREFOX, ["--headless", "--no-remote", "--profile", profile, `${server.url}/page.html`], { stdio: "ignore" });
  try {
    await Promise.race([reported, new Promise((resolve) => setTimeout(resolve, WAIT_MS))]);
  } finally {
    firefox.kill("SIGKILL");
    await new Promise((resolve) => firefox.once("exit", resolve));
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  }
  assert.ok(report, "Firefox has not reported");
  t.diagnostic(JSON.stringify(report.pixels));
  t.diagnostic(JSON.stringify(report.said));
  for (const name of NAMES) {
    assert.deepEqual([report.said[name].state, report.said[name].shown], ["restored", true], name);
    assert.deepEqual(report.pixels[name], { state: "restored", exact: true, equal: true }, name);
  }
  assert.deepEqual([report.said.plain.state, report.said.damaged.state, report.said.turned.state], ["plain", "damaged", "restored"]);
  assert.deepEqual(report.said.turned.size, [121, 199]);
  for (const name of NAMES) assert.equal(server.requests(`/${name}.jpg`).length, 1, "one download");
});

/** The exact pixels of the files, by Chromium, whose planes are libjpeg's. */
async function exactPixels(url, files) {
  const browser = await launch();
  const page = await browser.newPage();
  await page.goto(`${url}/blank.html`);
  for (const name of NAMES) {
    const found = await page.evaluate(async (name) => {
      const { decodePixels } = await import("/inlaid.js");
      const { pixels, exact, state } = await decodePixels(new Uint8Array(await (await fetch(`/${name}.jpg`)).arrayBuffer()));
      return { pixels: Array.from(pixels), exact, state };
    }, name);
    assert.deepEqual([found.exact, found.state], [true, "restored"], name);
    files[`/${name}.bin`] = Uint8Array.from(found.pixels);
  }
  await browser.close();
}

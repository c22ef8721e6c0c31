/** A page with the script: which images it restores, what it requests, what it says, and what it leaves alone. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { golden, isRestored, launch, missing, open, SCRIPT } from "./support/browser.mjs";
import { damaged, oriented, stale, stripped } from "./support/files.mjs";
import { serve, STRICT } from "./support/server.mjs";

const PHOTO = golden("fitted-420");
const OTHER = golden("fitted-gray");
const PROGRESSIVE = golden("fitted-444-progressive");
const files = { "/a.jpg": PHOTO, "/b.jpg": OTHER, "/plain.jpg": stripped(PHOTO) };

describe("upgrade", { skip: missing, timeout: 240_000 }, () => {
  let browser;
  before(async () => (browser = await launch()));
  after(() => browser?.close());

  /** Opens a page, and closes it at the end of the test. */
  async function visit(t, body, more = {}, settings = {}) {
    const opened = await open(browser, body, { ...files, ...more }, settings);
    t.after(opened.close);
    return opened;
  }

  test("under a strict policy, exactly, with one request for the picture and no word", async (t) => {
    const { page, server, lines, state, rest } = await visit(t, '<img id="a" src="a.jpg" alt="cup">', {}, { server: { csp: STRICT } });
    await state("a");
    await rest();
    const [event] = await page.evaluate(() => window.events);
    assert.deepEqual([event.id, event.state, event.exact, event.bytes], ["a", "restored", true, PHOTO.length]);
    assert.equal(event.inlayBytes, PHOTO.length - files["/plain.jpg"].length);
    assert.ok(event.ms > 0 && event.reason);
    assert.ok(await isRestored(page, "a"));
    assert.deepEqual([lines, await page.evaluate(() => window.violations)], [[], []]);
    assert.equal(server.requests("/a.jpg").length, 1, "the cache has the bytes");
    const kept = await page.evaluate(() => [document.images[0].src, document.images[0].alt, document.images[0].currentSrc]);
    assert.deepEqual(kept, [`${server.url}/a.jpg`, "cup", `${server.url}/a.jpg`]);
  });

  test("a picture without an inlay costs no second download, no word and no kernel", async (t) => {
    const { page, server, lines, state, rest } = await visit(t, '<img id="a" src="plain.jpg">');
    await state("a", "plain");
    await rest();
    assert.equal(server.requests("/plain.jpg").length, 1);
    assert.equal(server.requests("/inlaid.wasm").length, 0);
    assert.deepEqual(lines, []);
    assert.equal(await isRestored(page, "a"), false);
  });

  test("where nothing may be cached, a first range is enough to see that there is no inlay", async (t) => {
    const large = Buffer.concat([stripped(PHOTO), Buffer.alloc(400_000)]);
    const { server, state } = await visit(t, '<img id="a" src="large.jpg">', { "/large.jpg": large }, { server: { cache: "no-store" } });
    await state("a", "plain");
    const [first, second, ...others] = server.requests("/large.jpg");
    assert.deepEqual([first.status, second.status, others.length], [200, 206, 0]);
    assert.ok(second.bytes <= 16384);
  });

  test("an inlay behind a preview of 60 kB in EXIF, from a server that knows no ranges", async (t) => {
    const far = oriented(PHOTO, 1, 60_000);
    const { server, state } = await visit(t, '<img id="a" src="far.jpg">', { "/far.jpg": far }, { server: { ranges: false } });
    await state("a");
    assert.equal(server.requests("/far.jpg").length, 1);
  });

  test("no picture without an inlay loads the kernel, also where the server knows no ranges or the file is no JPEG", async (t) => {
    const more = { "/png.jpg": Buffer.from("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAG7buVgAAAABJRU5ErkJggg==", "base64") };
    const body = '<img id="a" src="plain.jpg"><img id="b" src="png.jpg">';
    const { server, lines, state } = await visit(t, body, more, { server: { ranges: false } });
    await state("a", "plain");
    await state("b", "plain");
    assert.equal(server.requests("/inlaid.wasm").length, 0);
    assert.deepEqual(lines, []);
  });

  test("an address of the same site without a picture", async (t) => {
    const { lines, rest } = await visit(t, '<img id="a" src="none.jpg">');
    await rest(800);
    assert.deepEqual(lines.filter((line) => line.startsWith("inlaid")), []); // the browser itself says 404
  });

  test("another site's picture: with CORS it is restored, without it stays, with one line", async (t) => {
    const [closed, shared] = await Promise.all([serve(files), serve(files, { cors: true })]);
    t.after(() => Promise.all([closed.close(), shared.close()]));
    const body = `<img id="a" src="${closed.url}/a.jpg"><img id="b" src="${shared.url}/a.jpg">`;
    const { page, lines, state, rest } = await visit(t, body);
    await state("b");
    await rest();
    assert.equal(await isRestored(page, "a"), false);
    assert.equal(await page.evaluate(() => document.getElementById("a").naturalWidth > 0), true);
    const own = lines.filter((line) => line.startsWith("inlaid: "));
    assert.equal(own.length, 1);
    assert.match(own[0], /a\.jpg: it cannot be read by a script \(CORS/);
    assert.equal(shared.requests("/a.jpg").length, 1);
  });

  test("a damaged and a stale inlay: the base, and a line each", async (t) => {
    const more = { "/damaged.jpg": damaged(PHOTO), "/stale.jpg": stale(PROGRESSIVE, PHOTO) };
    const { page, lines, state } = await visit(t, '<img id="a" src="damaged.jpg"><img id="b" src="stale.jpg">', more);
    await state("a", "damaged");
    await state("b", "stale");
    assert.deepEqual([await isRestored(page, "a"), await isRestored(page, "b")], [false, false]);
    assert.deepEqual(lines.map((line) => /(damaged|stale)\.jpg: .+/.test(line)), [true, true]);
    assert.match(lines.find((line) => line.includes("stale.jpg")), /belongs to another picture/);
  });

  test("images that come later, leave, and change", async (t) => {
    const { page, server, state, rest } = await visit(t, "<main></main>");
    await page.evaluate(() => (document.querySelector("main").innerHTML = '<div><img id="a" src="a.jpg"></div>'));
    await state("a");
    await page.evaluate(() => (document.getElementById("a").src = "b.jpg"));
    await page.waitForFunction(() => window.events.length === 2);
    assert.equal(await isRestored(page, "a"), true);
    const [first, second] = await page.evaluate(() => window.events);
    assert.notDeepEqual([first.width, first.height], [second.width, second.height]);
    await page.evaluate(() => (document.getElementById("a").src = "plain.jpg"));
    await state("a", "plain");
    assert.equal(await page.evaluate(() => document.getElementById("a").style.content), "");
    await page.evaluate(() => (document.getElementById("a").src = "none.jpg"));
    await rest();
    assert.equal(await page.evaluate(() => document.getElementById("a").style.content), "");
    // An image that leaves the page gives its blob back.
    await page.evaluate(() => (document.getElementById("a").src = "a.jpg"));
    await state("a");
    const address = await page.evaluate(() => document.getElementById("a").style.content.slice(5, -2));
    await page.evaluate(() => document.getElementById("a").remove());
    await rest();
    assert.equal(await page.evaluate((url) => fetch(url).then(() => "there", () => "gone"), address), "gone");
    assert.equal(server.requests("/a.jpg").length, 1);
  });

  test("srcset and picture: what the browser chose, at the size that it gave", async (t) => {
    const body = `<img id="a" srcset="a.jpg 2x, plain.jpg 1x"><br><img id="b" srcset="a.jpg 199w, b.jpg 200w" sizes="90px"><br>
      <picture><source media="(max-width: 600px)" srcset="b.jpg"><img id="c" src="a.jpg"></picture>`;
    const sizes = (page) => page.evaluate(() => [...document.images].map((image) => image.getBoundingClientRect().width));
    const { page, state } = await visit(t, body, {}, { deviceScaleFactor: 2, javaScriptEnabled: true, head: "" });
    const before = await sizes(page);
    await page.addScriptTag({ type: "module", url: "inlaid.js" });
    for (const id of ["a", "b", "c"]) await state(id);
    const after = await sizes(page);
    before.forEach((width, i) => assert.ok(Math.abs(width - after[i]) < 0.6, `${before} and ${after}`));
    assert.deepEqual(await page.evaluate(() => window.events.map((event) => event.id).sort()), ["a", "b", "c"]);
    await page.setViewportSize({ width: 500, height: 700 });
    await page.waitForFunction(() => window.events.length === 4);
    assert.match(await page.evaluate(() => document.getElementById("c").currentSrc), /b\.jpg$/);
    assert.equal(await isRestored(page, "c"), true);
  });

  test("lazy and far images wait until they come near", async (t) => {
    const body = '<img id="a" src="a.jpg"><div style="height: 9000px"></div><img id="b" src="b.jpg"><img id="c" src="far.jpg" loading="lazy">';
    const { page, server, state, rest } = await visit(t, body, { "/far.jpg": PROGRESSIVE });
    await state("a");
    await rest();
    assert.deepEqual(await page.evaluate(() => window.events.length), 1);
    assert.equal(server.requests("/far.jpg").length, 0);
    await page.evaluate(() => scrollTo(0, 8200));
    await state("b");
    await state("c");
    assert.equal(server.requests("/far.jpg").length, 1);
  });

  test("opting out and back in, on an image or around it", async (t) => {
    const body = '<img id="a" src="a.jpg" data-inlaid="off"><div id="d" data-inlaid="off"><img id="b" src="b.jpg"></div><img id="c" src="a.jpg">';
    const { page, state, rest } = await visit(t, body);
    await state("c");
    await rest();
    assert.deepEqual(await page.evaluate(() => window.events.map((event) => event.id)), ["c"]);
    await page.evaluate(() => document.getElementById("d").removeAttribute("data-inlaid"));
    await state("b");
    await page.evaluate(() => document.getElementById("c").setAttribute("data-inlaid", "off"));
    await rest();
    assert.deepEqual([await isRestored(page, "b"), await isRestored(page, "c"), await isRestored(page, "a")], [true, false, false]);
  });

  test("the opt-in mode, and a script that does nothing by itself", async (t) => {
    const body = '<img id="a" src="a.jpg"><img id="b" src="b.jpg" data-inlaid>';
    const optIn = await visit(t, body, {}, { head: SCRIPT.replace(">", ' data-inlaid-mode="opt-in">') });
    await optIn.state("b");
    await optIn.rest();
    assert.equal(optIn.server.requests("/a.jpg").length, 1);
    assert.deepEqual(await optIn.page.evaluate(() => window.events.map((event) => event.id)), ["b"]);
    const imported = '<script type="module">import { upgrade } from "./inlaid.js"; window.begin = () => (window.end = upgrade());</script>';
    const { page, state, rest } = await visit(t, body, {}, { head: imported });
    await rest();
    assert.equal(await page.evaluate(() => window.events.length), 0);
    await page.evaluate(() => window.begin());
    await state("a");
    await state("b");
    await page.evaluate(() => window.end());
    assert.deepEqual([await isRestored(page, "a"), await isRestored(page, "b")], [false, false]);
  });

  test("a picture that lies on its side stands upright, at the size that it had", async (t) => {
    const more = Object.fromEntries([1, 2, 3, 4, 5, 6, 7, 8].map((o) => [`/${o}.jpg`, oriented(PHOTO, o)]));
    const body = Object.keys(more).map((path, i) => `<img id="o${i + 1}" src="${path.slice(1)}">`).join("");
    const { page, state } = await visit(t, body, more);
    for (let o = 1; o <= 8; o++) await state(`o${o}`);
    const sizes = await page.evaluate(() => [...document.images].map((image) => [image.width, image.height].join("x")));
    assert.deepEqual(sizes, [1, 2, 3, 4, 5, 6, 7, 8].map((o) => (o < 5 ? "199x121" : "121x199")));
    // Each differs from its own base by little, so it is turned as the browser turns the base.
    const differences = await page.evaluate(async () => {
      const pixels = async (url) => {
        const image = new Image();
        image.src = url;
        await image.decode();
        const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight).getContext("2d");
        canvas.drawImage(image, 0, 0);
        return canvas.getImageData(0, 0, image.naturalWidth, image.naturalHeight).data;
      };
      return Promise.all([...document.images].map(async (image) => {
        const [base, restored] = await Promise.all([pixels(image.src), pixels(image.style.content.slice(5, -2))]);
        return base.reduce((sum, value, i) => sum + Math.abs(value - restored[i]), 0) / base.length;
      }));
    });
    for (const difference of differences) assert.ok(difference > 0 && difference < 4, String(differences));
  });

  test("it paints what an image of the restored pixels would paint", async (t) => {
    const styles = [
      "", "width:200px;height:300px;object-fit:cover;object-position:10% 80%", "width:150px;height:99px;object-fit:none;object-position:right 10px bottom 20px",
      "width:300px;height:300px;object-fit:contain;padding:10px;border:3px solid red;border-radius:30px;background:#fee",
      "width:100%;height:200px;object-fit:scale-down;opacity:.6;filter:hue-rotate(40deg)", "transform:rotate(20deg) scale(.5);clip-path:circle(40%)",
    ];
    const { page, state } = await visit(t, '<img id="a" src="a.jpg">');
    await state("a");
    for (const style of styles) {
      await page.evaluate((style) => {
        const image = document.getElementById("a");
        const { content } = image.style;
        image.style.cssText = style;
        image.style.content = content;
      }, style);
      const shown = await page.screenshot();
      const plain = await page.evaluateHandle(async () => {
        const image = document.getElementById("a");
        const other = image.cloneNode();
        other.dataset.inlaid = "off";
        other.src = image.style.content.slice(5, -2);
        other.style.content = "";
        await other.decode();
        image.replaceWith(other);
        return image;
      });
      assert.ok(shown.equals(await page.screenshot()), style);
      await page.evaluate((image) => document.getElementById("a").replaceWith(image), plain);
      await state("a");
    }
  });

  test("nothing moves and nothing flickers", async (t) => {
    const { page, state } = await visit(t, '<p>before</p><img id="a" src="a.jpg"><p>after</p>', {}, { head: "" });
    await page.evaluate(() => {
      window.moved = 0;
      window.heights = new Set();
      new PerformanceObserver((list) => list.getEntries().forEach((entry) => (window.moved += entry.value))).observe({ type: "layout-shift" });
      (function look() {
        window.heights.add(document.getElementById("a").getBoundingClientRect().height);
        requestAnimationFrame(look);
      })();
    });
    await page.addScriptTag({ type: "module", url: "inlaid.js" });
    await state("a");
    await page.waitForTimeout(200);
    assert.deepEqual(await page.evaluate(() => [window.moved, [...window.heights]]), [0, [121]]);
  });

  test("a page that keeps its own inline style gets it back", async (t) => {
    const { page, state } = await visit(t, '<img id="a" src="a.jpg" style="width: 50px; content: normal">');
    await state("a");
    await page.evaluate(() => document.getElementById("a").setAttribute("data-inlaid", "off"));
    await page.waitForFunction(() => !document.getElementById("a").dataset.inlaidState);
    assert.equal(await page.evaluate(() => document.getElementById("a").style.cssText), "width: 50px; content: normal;");
  });

  test("a worker that cannot be loaded is one line for all pictures", async (t) => {
    const broken = { "/inlaid-worker.js": undefined };
    const { page, lines, rest } = await visit(t, '<img id="a" src="a.jpg"><img id="b" src="b.jpg">', broken);
    await rest(1000);
    assert.equal(lines.filter((line) => line.startsWith("inlaid: ")).length, 1, lines.join("\n"));
    assert.equal(await isRestored(page, "a"), false);
  });

  test("the functions of the module", async (t) => {
    const head = '<script type="module">import * as inlaid from "./inlaid.js"; window.inlaid = inlaid;</script>';
    const { page } = await visit(t, "", {}, { head });
    const found = await page.evaluate(async () => {
      const bytes = new Uint8Array(await (await fetch("a.jpg")).arrayBuffer());
      const inside = await window.inlaid.inspect(bytes.slice(0, 4096));
      const image = await window.inlaid.decode(bytes);
      const result = await window.inlaid.restore({ bytes });
      return [inside.width, inside.inlay.bytes > 20, image.width, image.height, result.state, result.exact, result.png.type];
    });
    assert.deepEqual(found, [199, true, 199, 121, "restored", true, "image/png"]);
  });
});

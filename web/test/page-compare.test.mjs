/** `<inlaid-compare>`, and the page of `inlaid compare` from a disk. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { after, before, describe, test } from "node:test";
import { golden, launch, missing, open, until } from "./support/browser.mjs";
import { cannotMake, PYTHON, stripped } from "./support/files.mjs";
import { STRICT } from "./support/server.mjs";

const PHOTO = golden("fitted-420");
const files = { "/width.css": "inlaid-compare { width: 600px; }", "/a.jpg": PHOTO, "/plain.jpg": stripped(PHOTO) };

describe("compare", { skip: missing, timeout: 120_000 }, () => {
  let browser;
  before(async () => (browser = await launch()));
  after(() => browser?.close());

  async function visit(t, attributes = 'src="a.jpg"', settings = {}) {
    const opened = await open(browser, `<link rel="stylesheet" href="width.css"><inlaid-compare id="a" ${attributes}></inlaid-compare>`, files, settings);
    t.after(opened.close);
    await until(opened.page, () => window.events.length || document.querySelector("inlaid-compare").shadowRoot?.textContent.includes("not restored"));
    return opened;
  }
  const inside = (page, read) => page.evaluate(`(${read})(document.querySelector("inlaid-compare"), document.querySelector("inlaid-compare").shadowRoot)`);
  const now = (page) => inside(page, (element, root) => Number(root.querySelector("[role=slider]").ariaValueNow));

  test("under a strict policy: both pictures, and the figures", async (t) => {
    const { page, lines } = await visit(t, 'src="a.jpg" alt="cup"', { server: { csp: STRICT } });
    const [left, right] = await inside(page, (_, root) => [...root.querySelectorAll("img")].map((image) => image.src));
    assert.match(left, /a\.jpg$/);
    assert.match(right, /^blob:/);
    const figures = await inside(page, (_, root) => root.querySelector("[role=status]").textContent);
    assert.ok(figures.includes(`${PHOTO.length.toLocaleString("en")} bytes`) && figures.includes("exact to the last bit"), figures);
    assert.deepEqual(lines, []);
    const size = await inside(page, (_, root) => [root.querySelector(".stage").clientWidth / root.querySelector(".stage").clientHeight]);
    assert.ok(Math.abs(size[0] - 199 / 121) < 0.02);
  });

  test("the slider by keys, by pointer, and as an attribute", async (t) => {
    const { page } = await visit(t, 'src="a.jpg" position="30"');
    assert.equal(await now(page), 30);
    await page.locator("inlaid-compare [role=slider]").focus();
    for (const [key, expected] of [["ArrowRight", 32], ["Shift+ArrowLeft", 22], ["PageUp", 32], ["Home", 0], ["End", 100], ["ArrowRight", 100]]) {
      await page.keyboard.press(key);
      assert.equal(await now(page), expected, key);
    }
    const box = await page.locator("inlaid-compare .stage").boundingBox();
    await page.mouse.move(box.x + 5, box.y + 5);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width / 4, box.y + 50);
    await page.mouse.up();
    await page.mouse.move(box.x + box.width, box.y + 50);
    assert.equal(await now(page), 25);
    const cut = await inside(page, (_, root) => getComputedStyle(root.querySelector(".layer.right")).clipPath);
    assert.match(cut, /inset\(0px 0px 0px 25/);
  });

  test("a finger scrolls the page, or moves the slider", async (t) => {
    const { page } = await visit(t, 'src="a.jpg"', { hasTouch: true });
    const touch = (type, x, y) => inside(page, `(element, root) => root.querySelector(".stage").dispatchEvent(
      new PointerEvent("${type}", { pointerId: 7, pointerType: "touch", isPrimary: true, bubbles: true, clientX: root.querySelector(".stage").getBoundingClientRect().left + ${x}, clientY: ${y} }))`);
    await touch("pointerdown", 60, 50);
    assert.equal(await now(page), 50);
    await touch("pointermove", 120, 50);
    await touch("pointerup", 120, 50);
    assert.equal(await now(page), 20);
    assert.equal(await inside(page, (_, root) => getComputedStyle(root.querySelector(".stage")).touchAction), "pan-y");
  });

  test("zoom by button, wheel, double click and two fingers; the page scrolls under an unzoomed picture", async (t) => {
    const { page } = await visit(t);
    const zoom = () => inside(page, (_, root) => new DOMMatrix(root.querySelector("img").style.transform).a);
    const box = await page.locator("inlaid-compare .stage").boundingBox();
    await page.mouse.move(box.x + 100, box.y + 100);
    await page.mouse.wheel(0, -200);
    assert.equal(await zoom(), 1);
    await page.locator("inlaid-compare .in").click();
    assert.equal(await zoom(), 2);
    await page.mouse.move(box.x + 100, box.y + 100);
    await page.mouse.wheel(0, -400);
    await page.waitForTimeout(100);
    assert.ok((await zoom()) > 3);
    await page.mouse.dblclick(box.x + 100, box.y + 100);
    assert.equal(await zoom(), 1);
    const touch = (type, id, x) => inside(page, `(element, root) => root.querySelector(".stage").dispatchEvent(
      new PointerEvent("${type}", { pointerId: ${id}, pointerType: "touch", bubbles: true, clientX: ${box.x + 0} + ${x}, clientY: ${box.y + 90} }))`);
    await touch("pointerdown", 7, 200);
    await touch("pointerdown", 8, 300);
    await touch("pointermove", 8, 400);
    assert.equal(await zoom(), 2);
    await touch("pointerup", 7, 200);
    await touch("pointerup", 8, 400);
    await page.keyboard.press("0");
  });

  test("the difference is black where the pictures agree", async (t) => {
    const { page } = await visit(t);
    await inside(page, (element) => void (element.difference = true));
    assert.equal(await inside(page, (_, root) => root.querySelector(".differ").ariaPressed), "true");
    assert.match(await inside(page, (_, root) => root.querySelector(".tag.left").textContent), /Plain JPEG \u2212 Restored/);
  });

  test("bytes in place of an address, and an original to choose", async (t) => {
    const { page } = await visit(t, 'src="a.jpg" original="plain.jpg"');
    const titles = await inside(page, (_, root) => [...root.querySelectorAll("option")].map((option) => option.text));
    assert.deepEqual(titles, ["Plain JPEG | Restored", "Original | Restored", "Plain JPEG | Original"]);
    assert.equal(await inside(page, (_, root) => root.querySelector(".pairs").hidden), false);
    await page.locator("inlaid-compare select").selectOption({ index: 1 });
    assert.match(await inside(page, (_, root) => root.querySelector("img").src), /plain\.jpg$/);
    await page.evaluate(async () => {
      const element = document.querySelector("inlaid-compare");
      element.removeAttribute("src");
      element.bytes = new Uint8Array(await (await fetch("a.jpg")).arrayBuffer());
    });
    await page.waitForFunction(() => window.events.length === 2);
    assert.match(await inside(page, (_, root) => root.querySelector("img").src), /^blob:/);
  });

  test("a file without an inlay shows the base and says so", async (t) => {
    const { page } = await visit(t, 'src="plain.jpg"');
    assert.match(await inside(page, (_, root) => root.querySelector("[role=status]").textContent), /not restored: there is no inlay/);
    assert.equal(await inside(page, (_, root) => root.querySelector("[role=slider]").style.visibility), "hidden");
  });

  test("the page of `inlaid compare`, opened from a disk, restores exactly and loads nothing", { skip: cannotMake }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "inlaid-"));
    writeFileSync(join(folder, "a.jpg"), PHOTO);
    execFileSync(PYTHON, ["-m", "inlaid", "compare", join(folder, "a.jpg"), "-o", join(folder, "page.html")]);
    const page = await browser.newPage();
    const said = [];
    const requested = [];
    page.on("console", (message) => said.push(message.text()));
    page.on("pageerror", (error) => said.push(error.message));
    page.on("request", (request) => requested.push(request.url().slice(0, 5)));
    await page.goto(pathToFileURL(join(folder, "page.html")).href);
    await until(page, () => /exact|not restored/.test(document.querySelector("inlaid-compare").shadowRoot?.textContent));
    assert.match(await inside(page, (_, root) => root.querySelector("[role=status]").textContent), /exact to the last bit/);
    assert.deepEqual(said, []);
    assert.deepEqual(requested.filter((scheme) => !["file:", "blob:", "data:"].includes(scheme)), []);
    await page.close();
  });
});

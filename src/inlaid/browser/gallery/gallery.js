/* The gallery: what `inlaid demo` wrote, by its results.json. */

const NAMES = { jpeg: "JPEG", webp: "WebP", avif: "AVIF" };
const TUNES = { looks: "looks", psnr: "PSNR" };
const $ = (id) => document.getElementById(id);
const number = (value) => value.toLocaleString("en");
const file = ({ quality, tune }) => `demo/q${quality}${tune === "psnr" ? "-psnr" : ""}.jpg`;

const demo = await (await fetch("demo/results.json")).json();
const qualities = [...new Set(demo.rows.map((row) => row.quality))];
const chosen = { quality: qualities[0], tune: "looks" };

choices("quality", qualities, (quality) => quality);
choices("tune", Object.keys(TUNES), (tune) => TUNES[tune]);
show();

for (const row of demo.rows.filter((row) => row.tune === "looks")) $("grid").append(card(row));
$("shown").addEventListener("change", (event) => {
  // The opt-out attribute, on an ancestor: the script shows the bases, and the restored pictures again.
  if (event.target.value === "plain") $("grid").dataset.inlaid = "off";
  else delete $("grid").dataset.inlaid;
});
const credit = demo.picture === "coffee.png" ? "Photograph: Rachel Michetti, CC0. " : "";
$("credit").textContent = `${credit}${demo.picture}, ${demo.size.join("\u00d7")}. Files by inlaid ${demo.inlaid}, effort ${demo.effort}.`;

/** Radio buttons in a fieldset; a change shows another file. */
function choices(name, values, title) {
  for (const value of values) {
    const label = document.createElement("label");
    const input = Object.assign(document.createElement("input"), { type: "radio", name, value, checked: value === chosen[name] });
    input.addEventListener("change", () => {
      chosen[name] = value;
      show();
    });
    label.append(input, ` ${title(value)}`);
    $(name).append(label);
  }
}

/** The chosen file in the slider, its figures and its bars. */
function show() {
  const row = demo.rows.find((row) => row.quality === chosen.quality && row.tune === chosen.tune);
  const slider = $("slider");
  slider.setAttribute("original", "demo/original.png");
  slider.setAttribute("src", file(row));
  facts(row);
  const measure = row.tune === "looks" ? "looks" : "PSNR";
  $("same").textContent = `Bytes for the same ${measure}`;
  const sizes = [["This file", row.file_bytes], ...Object.entries(row.peer_bytes).map(([name, bytes]) => [NAMES[name], bytes])];
  const most = Math.max(...sizes.map(([, bytes]) => bytes ?? 0));
  $("bars").replaceChildren(...sizes.map(([name, bytes], place) => bar(name, bytes, row.file_bytes, most, place === 0)));
  const saved = row.peer_bytes.jpeg && row.peer_bytes.jpeg - row.file_bytes;
  $("note").textContent = saved > 0
    ? `A plain JPEG needs ${number(saved)} bytes more to ${row.tune === "looks" ? "look as good (SSIMULACRA2)" : "be as near to the original (PSNR)"}.`
    : "";
}

function facts(row) {
  const rows = [
    ["File", `${number(row.file_bytes)} bytes`],
    ["Inlay", `${number(row.payload_bytes)} bytes`],
    ["PSNR", `${row.psnr_plain_db.toFixed(2)} \u2192 ${row.psnr_db.toFixed(2)} dB`],
  ];
  if (row.ssimulacra2 != null) rows.push(["SSIMULACRA2", `${row.ssimulacra2_plain.toFixed(1)} \u2192 ${row.ssimulacra2.toFixed(1)}`]);
  $("facts").replaceChildren(...rows.flatMap(([name, value]) => [element("dt", name), element("dd", value)]));
}

function bar(name, bytes, ours, most, own) {
  const made = element("div", "", own ? "bar ours" : "bar");
  made.role = "listitem";
  const per = bytes && !own ? ` (${bytes > ours ? "+" : "\u2212"}${Math.abs(Math.round(100 * (bytes / ours - 1)))} %)` : "";
  const line = element("div");
  line.append(element("span", name), element("span", bytes ? `${number(bytes)}${per}` : "not reached"));
  const drawing = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const rect = drawing.appendChild(document.createElementNS("http://www.w3.org/2000/svg", "rect"));
  rect.setAttribute("height", "100%");
  rect.setAttribute("width", `${(100 * (bytes ?? 0)) / most}%`);
  made.append(line, drawing);
  return made;
}

/** A plain image, as on any page, with what became of it below. */
function card(row) {
  const figure = element("figure");
  const image = Object.assign(new Image(demo.size[0], demo.size[1]), { alt: `${demo.picture} at quality ${row.quality}`, loading: "lazy" });
  const state = element("span", "plain", "state");
  const tell = (text, done) => {
    state.textContent = text;
    state.classList.toggle("done", done);
  };
  image.addEventListener("inlaid", ({ detail }) => {
    if (detail.state === "restored") tell(`restored in ${Math.max(1, Math.round(detail.ms))} ms`, true);
    else tell(detail.reason, false);
  });
  new MutationObserver(() => image.dataset.inlaidState || tell("plain", false)).observe(image, { attributeFilter: ["data-inlaid-state"] });
  image.src = file(row);
  const caption = element("figcaption");
  caption.append(element("span", `quality ${row.quality} \u00b7 ${number(row.file_bytes)} bytes`), state);
  figure.append(image, caption);
  return figure;
}

function element(name, text = "", classes = "") {
  return Object.assign(document.createElement(name), { textContent: text, className: classes });
}

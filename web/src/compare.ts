/**
 * `<inlaid-compare src="photo.jpg">`: a slider between the base and the restored picture.
 *
 * Two images lie one over the other; the upper one is cut at the slider.  The difference is the browser's own blend mode, made brighter.
 */
import { figures, MARKUP } from "./compare_parts";
import { STYLE } from "./compare_style";
import type { Restored, Source } from "./messages";
import { View } from "./view";

type Kind = "base" | "restored" | "original";

const NAMES: Record<Kind, string> = { base: "Plain JPEG", restored: "Restored", original: "Original" };
const PAIRS: [Kind, Kind][] = [["base", "restored"], ["original", "restored"], ["base", "original"]];
const STEP = 2, LARGE_STEP = 10; // per cent of the width, for a key

let restore: (source: Source, signal?: AbortSignal) => Promise<Restored>;

/** Define the element.  `by` restores a file: this file has no worker of its own. */
export function define(by: typeof restore): void {
  restore = by;
  if (!customElements.get("inlaid-compare")) customElements.define("inlaid-compare", InlaidCompare);
}

export class InlaidCompare extends HTMLElement {
  static readonly observedAttributes = ["src", "original", "alt", "position"];

  /** What came of the file; undefined until it is known. */
  result?: Restored;

  #bytes?: Uint8Array;
  #originalBytes?: Blob;
  #pictures: Partial<Record<Kind, string>> = {};
  #made: string[] = []; // addresses of blobs, to be revoked
  #control?: AbortController;
  #pair: [Kind, Kind] = ["base", "restored"];
  #position = 50;
  #view = new View();
  #pointers = new Map<number, { x: number; y: number }>();
  #sliding = false;
  #resized?: ResizeObserver;
  #root!: ShadowRoot;

  /** The bytes of a file, in place of `src`. */
  get bytes(): Uint8Array | undefined {
    return this.#bytes;
  }

  set bytes(bytes: Uint8Array | undefined) {
    this.#bytes = bytes;
    this.#load();
  }

  /** The original's bytes, in place of the attribute `original`. */
  get originalBytes(): Blob | undefined {
    return this.#originalBytes;
  }

  set originalBytes(blob: Blob | undefined) {
    this.#originalBytes = blob;
    this.#load();
  }

  /** The place of the boundary, in per cent of the width. */
  get position(): number {
    return this.#position;
  }

  set position(position: number) {
    this.#position = Math.min(100, Math.max(0, position));
    this.#draw();
  }

  /** True while the difference of the two pictures is shown. */
  get difference(): boolean {
    return this.#find("stage").classList.contains("difference");
  }

  set difference(on: boolean) {
    this.#find("stage").classList.toggle("difference", on);
    this.#find("differ").setAttribute("aria-pressed", String(on));
    this.#draw();
  }

  connectedCallback(): void {
    if (!this.shadowRoot) this.#build();
    this.#resized = new ResizeObserver(() => this.#measure());
    this.#resized.observe(this.#find("stage"));
    this.#load();
  }

  disconnectedCallback(): void {
    this.#resized?.disconnect();
    this.#clear();
  }

  attributeChangedCallback(name: string): void {
    if (!this.isConnected || !this.shadowRoot) return;
    if (name === "src" || name === "original") this.#load();
    else if (name === "position") this.position = Number(this.getAttribute("position"));
    else this.#draw();
  }

  #build(): void {
    this.#root = this.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    this.#root.adoptedStyleSheets = [sheet];
    this.#root.innerHTML = MARKUP;
    if (this.hasAttribute("position")) this.#position = Number(this.getAttribute("position"));
    this.#find("differ").addEventListener("click", () => (this.difference = !this.difference));
    this.#find("in").addEventListener("click", () => this.#zoomBy(2));
    this.#find("out").addEventListener("click", () => this.#zoomBy(1 / 2));
    this.#find("zoom").addEventListener("click", () => this.#toggleZoom());
    const choice = this.#root.querySelector("select")!;
    choice.addEventListener("change", () => this.#choose(PAIRS[choice.selectedIndex]!));
    const stage = this.#find("stage");
    stage.addEventListener("pointerdown", (event) => this.#press(event));
    stage.addEventListener("pointermove", (event) => this.#move(event));
    for (const type of ["pointerup", "pointercancel"] as const) stage.addEventListener(type, (event) => this.#lift(event));
    stage.addEventListener("dblclick", (event) => this.#toggleZoom(this.#at(event)));
    stage.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    this.#root.addEventListener("keydown", (event) => this.#key(event as KeyboardEvent));
    for (const image of this.#root.querySelectorAll("img")) image.addEventListener("load", () => this.#measure());
  }

  #load(): void {
    if (!this.isConnected || !this.shadowRoot) return;
    this.#clear();
    const src = this.getAttribute("src");
    if (!this.#bytes && !src) return;
    const { signal } = (this.#control = new AbortController());
    this.#pictures.base = this.#bytes ? this.#address(new Blob([this.#bytes as BlobPart], { type: "image/jpeg" })) : new URL(src!, document.baseURI).href;
    const original = this.getAttribute("original");
    if (this.#originalBytes) this.#pictures.original = this.#address(this.#originalBytes);
    else if (original) this.#pictures.original = new URL(original, document.baseURI).href;
    this.#offer();
    this.#say("restoring \u2026");
    const source = this.#bytes ? { bytes: this.#bytes } : { url: this.#pictures.base };
    restore(source, signal).then((result) => this.#finish(result, signal), (error: Error) => {
      if (!signal.aborted) this.#say(`not restored: ${error.message}`);
    });
    this.#choose(["base", "restored"]);
  }

  async #finish(result: Restored, signal: AbortSignal): Promise<void> {
    if (result.png) {
      const url = this.#address(result.png);
      const ready = new Image();
      ready.src = url;
      await ready.decode();
      if (signal.aborted) return;
      this.#pictures.restored = url;
    }
    if (signal.aborted) return;
    this.result = result;
    this.#say(figures(result));
    this.#choose(this.#pair);
    const { png: _, ...detail } = result;
    this.dispatchEvent(new CustomEvent("inlaid", { bubbles: true, detail: { ...detail, bytes: result.fileBytes } }));
  }

  #clear(): void {
    this.#control?.abort();
    this.#made.forEach((url) => URL.revokeObjectURL(url));
    this.#made = [];
    this.#pictures = {};
    this.result = undefined;
  }

  #address(blob: Blob): string {
    const url = URL.createObjectURL(blob);
    this.#made.push(url);
    return url;
  }

  #offer(): void {
    const choice = this.#root.querySelector("select")!;
    choice.replaceChildren(...PAIRS.map(([left, right]) => new Option(`${NAMES[left]} | ${NAMES[right]}`)));
    this.#find("pairs").hidden = !this.#pictures.original;
  }

  #choose(pair: [Kind, Kind]): void {
    this.#pair = pair;
    this.#root.querySelectorAll("img").forEach((image, side) => {
      const address = this.#pictures[pair[side]!] ?? this.#pictures.base!;
      if (image.src !== address) image.src = address;
    });
    this.#draw();
  }

  #say(text: string): void {
    this.#find("figures").textContent = text;
  }

  // ---------------------------------------------------------------------------------------------- zoom and slide

  #measure(): void {
    const stage = this.#find("stage");
    const image = this.#root.querySelector("img")!;
    const { naturalWidth, naturalHeight } = image;
    if (!naturalWidth) return;
    stage.style.aspectRatio = `${naturalWidth} / ${naturalHeight}`;
    // As high as the page allows: a tall picture gets narrower instead of leaving the window.
    stage.style.maxWidth = `calc(var(--inlaid-max-height, 85vh) * ${naturalWidth / naturalHeight})`;
    const view = this.#view;
    const [x, y] = [view.x / view.width, view.y / view.height];
    view.width = stage.clientWidth || 1;
    view.height = stage.clientHeight || 1;
    view.fitted = view.width / naturalWidth;
    [view.x, view.y] = [x * view.width, y * view.height];
    this.#draw();
  }

  #draw(): void {
    if (!this.shadowRoot) return;
    const view = this.#view;
    const [left, right] = this.#pair;
    const stage = this.#find("stage");
    const handle = this.#find("handle");
    const place = `${this.#position}%`;
    this.#root.querySelectorAll("img").forEach((image) => (image.style.transform = view.transform));
    this.#root.querySelector("img")!.alt = this.getAttribute("alt") ?? "";
    stage.classList.toggle("zoomed", view.zoom > 1);
    stage.classList.toggle("pixels", view.scale * devicePixelRatio >= 3); // then pixels are looked at
    const upper = this.#root.querySelector<HTMLElement>(".layer.right")!;
    const hidden = !this.#pictures.restored && this.#pair.includes("restored");
    upper.style.clipPath = `inset(0 0 0 ${place})`;
    upper.style.visibility = handle.style.visibility = hidden ? "hidden" : "";
    handle.style.left = place;
    handle.ariaValueNow = String(Math.round(this.#position));
    handle.ariaValueText = `${Math.round(this.#position)} % ${NAMES[left]}`;
    const [leftTag, rightTag] = this.#root.querySelectorAll<HTMLElement>(".tag");
    leftTag!.textContent = this.difference ? `|${NAMES[left]} \u2212 ${NAMES[right]}| \u00d7 8` : NAMES[left];
    rightTag!.textContent = hidden ? "" : NAMES[right];
    if (!this.difference) leftTag!.style.opacity = this.#position < 12 ? "0" : "";
    else leftTag!.style.opacity = "";
    rightTag!.style.opacity = this.#position > 88 ? "0" : "";
    this.#find("zoom").textContent = view.zoom === 1 ? "Fit" : `${Math.round(view.scale * devicePixelRatio * 100)} %`;
    (this.#find("out") as HTMLButtonElement).disabled = view.zoom === 1;
    (this.#find("differ") as HTMLButtonElement).disabled = hidden;
  }

  #zoomBy(factor: number, at = { x: this.#view.width / 2, y: this.#view.height / 2 }): void {
    this.#view.zoomAt(at.x, at.y, this.#view.zoom * factor);
    this.#draw();
  }

  #toggleZoom(at?: { x: number; y: number }): void {
    const { zoom, actual } = this.#view;
    const wanted = zoom > 1 ? 1 : Math.max(actual, 2);
    this.#zoomBy(wanted / zoom, at);
  }

  #at(event: MouseEvent): { x: number; y: number } {
    const box = this.#find("stage").getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  #press(event: PointerEvent): void {
    if (event.button) return;
    this.#pointers.set(event.pointerId, this.#at(event));
    try {
      this.#find("stage").setPointerCapture(event.pointerId);
    } catch {
      // a made event has no pointer to capture
    }
    const onHandle = (event.target as Element).classList.contains("handle");
    this.#sliding = this.#pointers.size === 1 && !this.difference && (onHandle || this.#view.zoom === 1);
    // A finger that begins to scroll the page must not move the boundary: it moves with the first sideways motion.
    if (this.#sliding && event.pointerType !== "touch") this.#slide(event);
    if (onHandle) this.#find("handle").focus({ preventScroll: true });
    this.#find("stage").classList.toggle("panning", !this.#sliding);
  }

  #move(event: PointerEvent): void {
    const before = this.#pointers.get(event.pointerId);
    if (!before) return;
    const now = this.#at(event);
    const other = [...this.#pointers].find(([id]) => id !== event.pointerId)?.[1];
    this.#pointers.set(event.pointerId, now);
    if (other) {
      const spread = (point: { x: number; y: number }) => Math.hypot(point.x - other.x, point.y - other.y) || 1;
      const middle = { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 };
      this.#view.pan((now.x - before.x) / 2, (now.y - before.y) / 2);
      this.#zoomBy(spread(now) / spread(before), middle);
    } else if (this.#sliding) {
      this.#slide(event);
    } else {
      this.#view.pan(now.x - before.x, now.y - before.y);
      this.#draw();
    }
  }

  #lift(event: PointerEvent): void {
    this.#pointers.delete(event.pointerId);
    if (this.#pointers.size) return;
    this.#sliding = false;
    this.#find("stage").classList.remove("panning");
  }

  #slide(event: PointerEvent): void {
    this.position = (100 * this.#at(event).x) / this.#view.width;
  }

  /** A wheel scrolls the page, unless the picture is zoomed already, the control key is held (a pinch on a trackpad), or `wheel` is set. */
  #wheel(event: WheelEvent): void {
    if (!event.ctrlKey && this.#view.zoom === 1 && !this.hasAttribute("wheel")) return;
    event.preventDefault();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    this.#zoomBy(Math.exp((-event.deltaY * lines) / (event.ctrlKey ? 100 : 400)), this.#at(event));
  }

  #key(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || (event.target as Element).tagName === "SELECT") return;
    const step = event.shiftKey ? LARGE_STEP : STEP;
    const onHandle = (event.target as Element).classList.contains("handle");
    const places: Record<string, number> = {
      ArrowLeft: this.#position - step, ArrowDown: this.#position - step, ArrowRight: this.#position + step, ArrowUp: this.#position + step,
      PageDown: this.#position - LARGE_STEP, PageUp: this.#position + LARGE_STEP, Home: 0, End: 100,
    };
    const actions: Record<string, () => void> = {
      "+": () => this.#zoomBy(2), "=": () => this.#zoomBy(2), "-": () => this.#zoomBy(1 / 2), "0": () => this.#toggleZoom(),
      d: () => (this.difference = !this.difference),
    };
    if (onHandle && event.key in places) this.position = places[event.key]!;
    else if (event.key in actions) actions[event.key]!();
    else return;
    event.preventDefault();
  }

  #find(name: string): HTMLElement {
    return this.shadowRoot!.querySelector<HTMLElement>(`.${name}`)!;
  }
}

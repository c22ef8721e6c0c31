/** What `<inlaid-compare>` is made of, and what it says of a file. */
import type { Restored } from "./messages";

export const MARKUP = `
<div class="stage" part="stage">
  <div class="layers"><div class="layer left"><img alt="" draggable="false"></div><div class="layer right"><img alt="" draggable="false"></div></div>
  <span class="tag left"></span><span class="tag right"></span>
  <div class="handle" part="handle" role="slider" tabindex="0" aria-label="Boundary between the pictures" aria-valuemin="0" aria-valuemax="100"></div>
</div>
<div class="bar" part="bar">
  <div class="figures" part="figures" role="status"></div>
  <div class="tools" part="tools">
    <div class="group pairs" hidden><select aria-label="Pictures to compare"></select></div>
    <div class="group"><button class="differ" aria-pressed="false" title="The difference of the two pictures, 8 times brighter (d)">Difference</button></div>
    <div class="group">
      <button class="out" aria-label="Zoom out" title="Zoom out (-)">\u2212</button>
      <button class="zoom" title="Fit, or one pixel of the picture to one of the screen (0)"></button>
      <button class="in" aria-label="Zoom in" title="Zoom in (+)">+</button>
    </div>
  </div>
</div>`;

/** A line on a file: size, bytes, time. */
export function figures(result: Restored): string {
  if (result.state !== "restored") return `not restored: ${result.reason}`;
  const share = (100 * result.inlayBytes) / result.fileBytes;
  return [
    `${result.width}\u00d7${result.height}`,
    `${number(result.fileBytes)} bytes`,
    `${number(result.inlayBytes)} of them the inlay (${share.toFixed(share < 1 ? 2 : 1)} %)`,
    `restored in ${Math.round(result.ms)} ms, ${result.exact ? "exact to the last bit" : "approximate in this browser"}`,
  ].join(" \u00b7 ");
}

function number(value: number): string {
  return value.toLocaleString("en");
}

/** The looks of `<inlaid-compare>`.  A constructed style sheet needs no permission of the page's Content-Security-Policy. */

export const STYLE = `
:host {
  --accent: var(--inlaid-accent, #f4b942);
  display: block; color: var(--inlaid-text, CanvasText); font: 13px/1.4 system-ui, sans-serif; text-align: start;
}
:host([hidden]), [hidden] { display: none !important; }
.stage {
  position: relative; overflow: hidden; isolation: isolate; width: 100%; margin-inline: auto; border-radius: var(--inlaid-radius, 10px);
  background: #8883; touch-action: pan-y; cursor: ew-resize; user-select: none; -webkit-user-select: none;
}
.stage.zoomed { touch-action: none; cursor: grab; }
.stage.panning { cursor: grabbing; }
.layer { position: absolute; inset: 0; overflow: hidden; }
.layer img { position: absolute; inset: 0; width: 100%; height: 100%; transform-origin: 0 0; pointer-events: none; }
.pixels img { image-rendering: pixelated; }
.difference .layers { filter: brightness(8); isolation: isolate; position: absolute; inset: 0; background: #000; }
.difference .layer.right { clip-path: none !important; mix-blend-mode: difference; }
.handle { position: absolute; top: 0; bottom: 0; width: 44px; margin-left: -22px; cursor: ew-resize; touch-action: none; outline: none; }
.handle::before {
  content: ""; position: absolute; top: 0; bottom: 0; left: 21px; width: 2px; background: #fff; box-shadow: 0 0 0 .5px #0006, 0 0 6px #0006;
}
.handle::after {
  content: "\\2039\\2009\\203a"; position: absolute; top: 50%; left: 4px; width: 36px; height: 36px; margin-top: -18px; border-radius: 50%;
  background: #fff; color: #222; box-shadow: 0 1px 6px #0007; font: 600 20px/32px system-ui, sans-serif; text-align: center;
}
.handle:focus-visible::after { box-shadow: 0 0 0 3px var(--accent), 0 1px 6px #0007; }
.difference .handle { display: none; }
.tag {
  position: absolute; top: 10px; padding: 2px 9px; border-radius: 99px; background: #000a; color: #fff; font-size: 12px;
  pointer-events: none; transition: opacity .15s;
}
.tag.left { left: 10px; }
.tag.right { right: 10px; }
.difference .tag.right, .tag:empty { display: none; }
.bar { display: flex; flex-wrap: wrap; align-items: center; gap: 6px 12px; padding: 8px 2px 0; }
.figures { flex: 1 1 15em; min-width: 0; color: inherit; opacity: .8; font-variant-numeric: tabular-nums; }
.tools { display: flex; flex-wrap: wrap; gap: 6px; }
.group { display: flex; border: 1px solid #8886; border-radius: 8px; overflow: hidden; }
button, select {
  appearance: none; margin: 0; padding: 0 10px; min-width: 32px; height: 30px; border: 0; background: none; color: inherit; font: inherit;
  cursor: pointer;
}
button:hover, select:hover { background: #8882; }
button:focus-visible, select:focus-visible { outline: 2px solid var(--accent); outline-offset: -2px; }
button[aria-pressed=true] { background: var(--accent); color: #221a05; }
button:disabled { opacity: .4; cursor: default; }
.zoom { min-width: 58px; font-variant-numeric: tabular-nums; }
select { padding-right: 28px; }
.pairs::after { content: "\\25be"; align-self: center; margin-left: -24px; width: 24px; pointer-events: none; } /* no picture: no policy needed */
option { color: #000; background: #fff; }
@media (pointer: coarse) { button, select { height: 40px; min-width: 40px; } }
`;

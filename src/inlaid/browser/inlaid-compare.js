var m=`
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
</div>`;function y(n){if(n.state!=="restored")return`not restored: ${n.reason}`;let t=100*n.inlayBytes/n.fileBytes;return[`${n.width}\xD7${n.height}`,`${b(n.fileBytes)} bytes`,`${b(n.inlayBytes)} of them the inlay (${t.toFixed(t<1?2:1)} %)`,`restored in ${Math.round(n.ms)} ms, ${n.exact?"exact to the last bit":"approximate in this browser"}`].join(" \xB7 ")}function b(n){return n.toLocaleString("en")}var x=`
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
`;var d=class{zoom=1;x=0;y=0;width=1;height=1;fitted=1;zoomAt(t,e,s){let i=Math.min(Math.max(s,1),Math.max(1,16/this.fitted));this.x=t-(t-this.x)*i/this.zoom,this.y=e-(e-this.y)*i/this.zoom,this.zoom=i,this.pan(0,0)}pan(t,e){this.x=Math.min(0,Math.max(this.width*(1-this.zoom),this.x+t)),this.y=Math.min(0,Math.max(this.height*(1-this.zoom),this.y+e))}get actual(){return Math.max(1,1/(this.fitted*devicePixelRatio))}get transform(){return`translate(${this.x}px, ${this.y}px) scale(${this.zoom})`}get scale(){return this.fitted*this.zoom}};var h={base:"Plain JPEG",restored:"Restored",original:"Original"},v=[["base","restored"],["original","restored"],["base","original"]],L=2,u=10,w;function B(n){w=n,customElements.get("inlaid-compare")||customElements.define("inlaid-compare",f)}var f=class extends HTMLElement{static observedAttributes=["src","original","alt","position"];result;#r;#c;#o={};#f=[];#v;#p=["base","restored"];#e=50;#s=new d;#a=new Map;#d=!1;#g;#i;get bytes(){return this.#r}set bytes(t){this.#r=t,this.#u()}get originalBytes(){return this.#c}set originalBytes(t){this.#c=t,this.#u()}get position(){return this.#e}set position(t){this.#e=Math.min(100,Math.max(0,t)),this.#h()}get difference(){return this.#t("stage").classList.contains("difference")}set difference(t){this.#t("stage").classList.toggle("difference",t),this.#t("differ").setAttribute("aria-pressed",String(t)),this.#h()}connectedCallback(){this.shadowRoot||this.#R(),this.#g=new ResizeObserver(()=>this.#E()),this.#g.observe(this.#t("stage")),this.#u()}disconnectedCallback(){this.#g?.disconnect(),this.#w()}attributeChangedCallback(t){!this.isConnected||!this.shadowRoot||(t==="src"||t==="original"?this.#u():t==="position"?this.position=Number(this.getAttribute("position")):this.#h())}#R(){this.#i=this.attachShadow({mode:"open"});let t=new CSSStyleSheet;t.replaceSync(x),this.#i.adoptedStyleSheets=[t],this.#i.innerHTML=m,this.hasAttribute("position")&&(this.#e=Number(this.getAttribute("position"))),this.#t("differ").addEventListener("click",()=>this.difference=!this.difference),this.#t("in").addEventListener("click",()=>this.#n(2)),this.#t("out").addEventListener("click",()=>this.#n(1/2)),this.#t("zoom").addEventListener("click",()=>this.#x());let e=this.#i.querySelector("select");e.addEventListener("change",()=>this.#m(v[e.selectedIndex]));let s=this.#t("stage");s.addEventListener("pointerdown",i=>this.#z(i)),s.addEventListener("pointermove",i=>this.#A(i));for(let i of["pointerup","pointercancel"])s.addEventListener(i,o=>this.#k(o));s.addEventListener("dblclick",i=>this.#x(this.#l(i))),s.addEventListener("wheel",i=>this.#$(i),{passive:!1}),this.#i.addEventListener("keydown",i=>this.#P(i));for(let i of this.#i.querySelectorAll("img"))i.addEventListener("load",()=>this.#E())}#u(){if(!this.isConnected||!this.shadowRoot)return;this.#w();let t=this.getAttribute("src");if(!this.#r&&!t)return;let{signal:e}=this.#v=new AbortController;this.#o.base=this.#r?this.#b(new Blob([this.#r],{type:"image/jpeg"})):new URL(t,document.baseURI).href;let s=this.getAttribute("original");this.#c?this.#o.original=this.#b(this.#c):s&&(this.#o.original=new URL(s,document.baseURI).href),this.#M(),this.#y("restoring \u2026");let i=this.#r?{bytes:this.#r}:{url:this.#o.base};w(i,e).then(o=>this.#S(o,e),o=>{e.aborted||this.#y(`not restored: ${o.message}`)}),this.#m(["base","restored"])}async#S(t,e){if(t.png){let o=this.#b(t.png),r=new Image;if(r.src=o,await r.decode(),e.aborted)return;this.#o.restored=o}if(e.aborted)return;this.result=t,this.#y(y(t)),this.#m(this.#p);let{png:s,...i}=t;this.dispatchEvent(new CustomEvent("inlaid",{bubbles:!0,detail:{...i,bytes:t.fileBytes}}))}#w(){this.#v?.abort(),this.#f.forEach(t=>URL.revokeObjectURL(t)),this.#f=[],this.#o={},this.result=void 0}#b(t){let e=URL.createObjectURL(t);return this.#f.push(e),e}#M(){this.#i.querySelector("select").replaceChildren(...v.map(([e,s])=>new Option(`${h[e]} | ${h[s]}`))),this.#t("pairs").hidden=!this.#o.original}#m(t){this.#p=t,this.#i.querySelectorAll("img").forEach((e,s)=>{let i=this.#o[t[s]]??this.#o.base;e.src!==i&&(e.src=i)}),this.#h()}#y(t){this.#t("figures").textContent=t}#E(){let t=this.#t("stage"),e=this.#i.querySelector("img"),{naturalWidth:s,naturalHeight:i}=e;if(!s)return;t.style.aspectRatio=`${s} / ${i}`,t.style.maxWidth=`calc(var(--inlaid-max-height, 85vh) * ${s/i})`;let o=this.#s,[r,a]=[o.x/o.width,o.y/o.height];o.width=t.clientWidth||1,o.height=t.clientHeight||1,o.fitted=o.width/s,[o.x,o.y]=[r*o.width,a*o.height],this.#h()}#h(){if(!this.shadowRoot)return;let t=this.#s,[e,s]=this.#p,i=this.#t("stage"),o=this.#t("handle"),r=`${this.#e}%`;this.#i.querySelectorAll("img").forEach(E=>E.style.transform=t.transform),this.#i.querySelector("img").alt=this.getAttribute("alt")??"",i.classList.toggle("zoomed",t.zoom>1),i.classList.toggle("pixels",t.scale*devicePixelRatio>=3);let a=this.#i.querySelector(".layer.right"),l=!this.#o.restored&&this.#p.includes("restored");a.style.clipPath=`inset(0 0 0 ${r})`,a.style.visibility=o.style.visibility=l?"hidden":"",o.style.left=r,o.ariaValueNow=String(Math.round(this.#e)),o.ariaValueText=`${Math.round(this.#e)} % ${h[e]}`;let[c,g]=this.#i.querySelectorAll(".tag");c.textContent=this.difference?`|${h[e]} \u2212 ${h[s]}| \xD7 8`:h[e],g.textContent=l?"":h[s],this.difference?c.style.opacity="":c.style.opacity=this.#e<12?"0":"",g.style.opacity=this.#e>88?"0":"",this.#t("zoom").textContent=t.zoom===1?"Fit":`${Math.round(t.scale*devicePixelRatio*100)} %`,this.#t("out").disabled=t.zoom===1,this.#t("differ").disabled=l}#n(t,e={x:this.#s.width/2,y:this.#s.height/2}){this.#s.zoomAt(e.x,e.y,this.#s.zoom*t),this.#h()}#x(t){let{zoom:e,actual:s}=this.#s,i=e>1?1:Math.max(s,2);this.#n(i/e,t)}#l(t){let e=this.#t("stage").getBoundingClientRect();return{x:t.clientX-e.left,y:t.clientY-e.top}}#z(t){if(t.button)return;this.#a.set(t.pointerId,this.#l(t));try{this.#t("stage").setPointerCapture(t.pointerId)}catch{}let e=t.target.classList.contains("handle");this.#d=this.#a.size===1&&!this.difference&&(e||this.#s.zoom===1),this.#d&&t.pointerType!=="touch"&&this.#L(t),e&&this.#t("handle").focus({preventScroll:!0}),this.#t("stage").classList.toggle("panning",!this.#d)}#A(t){let e=this.#a.get(t.pointerId);if(!e)return;let s=this.#l(t),i=[...this.#a].find(([o])=>o!==t.pointerId)?.[1];if(this.#a.set(t.pointerId,s),i){let o=a=>Math.hypot(a.x-i.x,a.y-i.y)||1,r={x:(s.x+i.x)/2,y:(s.y+i.y)/2};this.#s.pan((s.x-e.x)/2,(s.y-e.y)/2),this.#n(o(s)/o(e),r)}else this.#d?this.#L(t):(this.#s.pan(s.x-e.x,s.y-e.y),this.#h())}#k(t){this.#a.delete(t.pointerId),!this.#a.size&&(this.#d=!1,this.#t("stage").classList.remove("panning"))}#L(t){this.position=100*this.#l(t).x/this.#s.width}#$(t){if(!t.ctrlKey&&this.#s.zoom===1&&!this.hasAttribute("wheel"))return;t.preventDefault();let e=t.deltaMode===WheelEvent.DOM_DELTA_LINE?16:1;this.#n(Math.exp(-t.deltaY*e/(t.ctrlKey?100:400)),this.#l(t))}#P(t){if(t.ctrlKey||t.metaKey||t.altKey||t.target.tagName==="SELECT")return;let e=t.shiftKey?u:L,s=t.target.classList.contains("handle"),i={ArrowLeft:this.#e-e,ArrowDown:this.#e-e,ArrowRight:this.#e+e,ArrowUp:this.#e+e,PageDown:this.#e-u,PageUp:this.#e+u,Home:0,End:100},o={"+":()=>this.#n(2),"=":()=>this.#n(2),"-":()=>this.#n(1/2),0:()=>this.#x(),d:()=>this.difference=!this.difference};if(s&&t.key in i)this.position=i[t.key];else if(t.key in o)o[t.key]();else return;t.preventDefault()}#t(t){return this.shadowRoot.querySelector(`.${t}`)}};export{f as InlaidCompare,B as define};

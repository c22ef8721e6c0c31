/** A picture's scale and place in a stage: zoom about a point, pan, limits. */

const MOST = 16; // CSS pixels for a pixel of the picture

export class View {
  /** How many times larger than fitted. */
  zoom = 1;
  x = 0;
  y = 0;
  /** Of the stage, in CSS pixels. */
  width = 1;
  height = 1;
  /** CSS pixels for a pixel of the picture, fitted. */
  fitted = 1;

  /** Zoom to `zoom`, so that what is at (x, y) of the stage stays there. */
  zoomAt(x: number, y: number, zoom: number): void {
    const next = Math.min(Math.max(zoom, 1), Math.max(1, MOST / this.fitted));
    this.x = x - ((x - this.x) * next) / this.zoom;
    this.y = y - ((y - this.y) * next) / this.zoom;
    this.zoom = next;
    this.pan(0, 0);
  }

  /** Move the picture; it keeps covering the stage. */
  pan(dx: number, dy: number): void {
    this.x = Math.min(0, Math.max(this.width * (1 - this.zoom), this.x + dx));
    this.y = Math.min(0, Math.max(this.height * (1 - this.zoom), this.y + dy));
  }

  /** The zoom at which a pixel of the picture is a pixel of the screen; 1 where the fitted picture is no smaller. */
  get actual(): number {
    return Math.max(1, 1 / (this.fitted * devicePixelRatio));
  }

  get transform(): string {
    return `translate(${this.x}px, ${this.y}px) scale(${this.zoom})`;
  }

  /** CSS pixels for a pixel of the picture. */
  get scale(): number {
    return this.fitted * this.zoom;
  }
}

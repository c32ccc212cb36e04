// Which part of the plane is seen: its middle, and how many pixels a unit takes.

const FURTHEST = 0.6;
const CLOSEST = 400;
const MARGIN = 0.92;

export class Camera {
  constructor() {
    [this.x, this.y, this.zoom, this.width, this.height] = [0, 0, 1, 1, 1];
  }

  resize(width, height) {
    this.width = Math.max(1, width);
    this.height = Math.max(1, height);
  }

  /** Pixels per unit. */
  get scale() {
    return (this.zoom * MARGIN * Math.min(this.width, this.height)) / 2;
  }

  all() {
    [this.x, this.y, this.zoom] = [0, 0, 1];
  }

  /** Move by pixels. */
  pan(right, down) {
    this.x = Math.max(-1.2, Math.min(1.2, this.x - right / this.scale));
    this.y = Math.max(-1.2, Math.min(1.2, this.y + down / this.scale));
  }

  /** Zoom by `factor` so that the place under pixel (px, py) stays there. */
  magnify(factor, px = this.width / 2, py = this.height / 2) {
    const [x, y] = this.place(px, py);
    this.zoom = Math.max(FURTHEST, Math.min(CLOSEST, this.zoom * factor));
    const [movedX, movedY] = this.place(px, py);
    this.x += x - movedX;
    this.y += y - movedY;
  }

  /** Pixel -> plane. */
  place(px, py) {
    return [this.x + (px - this.width / 2) / this.scale, this.y - (py - this.height / 2) / this.scale];
  }

  /** Plane -> pixel. */
  pixel(x, y) {
    return [this.width / 2 + (x - this.x) * this.scale, this.height / 2 - (y - this.y) * this.scale];
  }

  /** Diameter of a point in pixels: small in the crowd, larger when near. */
  size(count) {
    const crowd = Math.max(2.5, Math.min(11, 260 / Math.sqrt(count)));
    return Math.min(18, crowd * Math.max(1, this.zoom) ** 0.3);
  }
}

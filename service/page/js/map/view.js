// The map of a collection: points coloured by sense, the hits of the search among them.
import { collectionPath, getJson, itemPath } from "../api.js";
import { byId, el, icon } from "../dom.js";
import { figure, titleOf } from "../figure.js";
import { SENSES, nameOf, oneOf, signOf } from "../senses.js";
import { Camera } from "./camera.js";
import { FlatPainter } from "./flat.js";
import { startGestures } from "./gestures.js";
import { GlPainter } from "./gl.js";
import { Grid, readPoints } from "./points.js";

const LIMIT = 50000;
const REACH_PX = 14;
const MOST_SENSES = 16;
const AGAIN_MS = 4000;
const TIMES = 15;

function colourOf(sense) {
  const known = SENSES.includes(sense) ? sense : "other";
  const text = getComputedStyle(document.documentElement).getPropertyValue(`--${known}`).trim();
  return [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16) / 255);
}

export class MapView {
  constructor(doing) {
    Object.assign(this, { doing, hidden: new Set(), hits: new Set(), visible: false, name: "", drawn: "" });
    this.canvas = byId("plane");
    this.camera = new Camera();
    const on = { moved: () => this.paint(), settled: () => this.describe(), hover: (x, y) => this.hover(x, y), open: (x, y, reach) => this.open(x, y, reach) };
    startGestures(this.canvas, this.camera, { in: byId("zoom-in"), out: byId("zoom-out"), all: byId("zoom-all") }, on);
    new ResizeObserver(() => this.fit()).observe(this.canvas);
    document.addEventListener("theme", () => this.recolour());
  }

  /** Look at this collection; `counts` tell whether it has changed. */
  choose(name, counts) {
    const wanted = `${name} ${JSON.stringify(counts)}`;
    if (wanted === this.wanted) return;
    [this.name, this.wanted] = [name, wanted];
    if (this.visible) this.load();
  }

  show() {
    this.visible = true;
    if (this.wanted !== this.drawn) this.load();
    else this.paint();
  }

  hide() {
    this.visible = false;
  }

  async load(times = 0) {
    const wanted = this.wanted;
    if (!this.name) return;
    if (!times) byId("map-note").textContent = "Drawing the map…";
    try {
      const answer = await getJson(`${collectionPath(this.name)}/map?limit=${LIMIT}`);
      if (wanted !== this.wanted) return;
      this.drawn = wanted;
      this.take(readPoints(answer), !times);
      if (answer.state === "stale" && times < TIMES) setTimeout(() => this.visible && wanted === this.wanted && this.load(times + 1), AGAIN_MS);
    } catch (error) {
      byId("map-note").textContent = error.message;
    }
  }

  take(points, afresh) {
    this.points = points;
    this.grid = new Grid(points);
    this.painter ??= GlPainter.on(this.canvas) ?? new FlatPainter(this.canvas);
    this.painter.load(points);
    if (afresh) this.camera.all();
    this.legend();
    this.recolour();
    this.mark();
    this.describe();
  }

  legend() {
    const counts = new Array(this.points.senses.length).fill(0);
    for (const kind of this.points.kind) counts[kind] += 1;
    const turn = (sense) => (event) => {
      if (!this.hidden.delete(sense)) this.hidden.add(sense);
      event.currentTarget.setAttribute("aria-pressed", String(!this.hidden.has(sense)));
      this.recolour();
    };
    byId("legend").replaceChildren(...this.points.senses.map((sense, i) => el(
      "button", { type: "button", class: "sense", "data-sense": sense, "aria-pressed": String(!this.hidden.has(sense)), onclick: turn(sense) },
      el("span", { class: "dot" }), icon(signOf(sense)), nameOf(sense), el("span", { class: "count" }, counts[i].toLocaleString("en")),
    )));
  }

  recolour() {
    if (!this.points) return;
    this.shown = this.points.senses.map((sense) => !this.hidden.has(sense));
    this.colours = this.points.senses.map((sense, i) => [...colourOf(sense), this.shown[i] ? 0.85 : 0]);
    while (this.colours.length < MOST_SENSES) this.colours.push([0, 0, 0, 0]);
    this.paint();
  }

  /** `items`: the results of the present search; none where there is no search. */
  highlight(items) {
    this.hits = new Set(items.map((item) => item.id));
    if (this.points) this.mark();
  }

  mark() {
    const marks = Uint8Array.from(this.points.ids, (id) => (this.hits.has(id) ? 1 : 0));
    this.painter.mark(marks, this.hits.size > 0);
    this.paint();
    this.describe();
  }

  fit() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (!width) return;
    this.ratio = Math.min(devicePixelRatio, 2);
    this.canvas.width = width * this.ratio;
    this.canvas.height = height * this.ratio;
    this.camera.resize(width, height);
    this.paint();
  }

  /** Draw with the next frame, once however often it is asked for. */
  paint() {
    if (this.waiting || !this.visible || !this.points) return;
    this.waiting = requestAnimationFrame(() => {
      this.waiting = null;
      this.painter.draw(this.camera, this.colours, this.ratio ?? 1);
    });
  }

  at(px, py, reach = REACH_PX) {
    if (!this.grid) return -1;
    const [x, y] = this.camera.place(px, py);
    return this.grid.nearest(x, y, Math.min(4, reach / this.camera.scale), this.shown);
  }

  async hover(px, py) {
    const i = px === null ? -1 : this.at(px, py);
    this.canvas.classList.toggle("over", i >= 0);
    if (i === this.over) return;
    this.over = i;
    byId("hover").hidden = true;
    if (i < 0) return;
    const item = await this.item(i).catch(() => null);
    if (item && this.over === i) this.label(item, i);
  }

  item(i) {
    return getJson(itemPath(this.name, this.points.ids[i]));
  }

  label(item, i) {
    const box = byId("hover");
    box.replaceChildren(figure(this.name, item), el("p", {}, icon(signOf(item.modality)), titleOf(item)));
    const [x, y] = this.camera.pixel(this.points.xy[2 * i], this.points.xy[2 * i + 1]);
    box.style.setProperty("--x", `${Math.min(x + 14, this.camera.width - 210)}px`);
    box.style.setProperty("--y", `${y > this.camera.height / 2 ? y - 190 : y + 14}px`);
    box.hidden = false;
  }

  async open(px, py, reach) {
    const i = this.at(px, py, reach);
    if (i < 0) return;
    try {
      this.doing.open(await this.item(i));
    } catch (error) {
      byId("map-note").textContent = error.message;
    }
  }

  /** Say how much there is and, for those who do not see it, what lies nearest the middle. */
  async describe() {
    const { count, total, kind, senses, ids } = this.points;
    const sample = count < total ? ` of ${total.toLocaleString("en")}` : "";
    const found = this.hits.size ? ` · ${ids.filter((id) => this.hits.has(id)).length} of the search` : "";
    const i = this.at(this.camera.width / 2, this.camera.height / 2, Infinity);
    const middle = i < 0 || document.activeElement !== this.canvas ? "" : ` · in the middle: ${titleOf(await this.item(i).catch(() => ({ id: ids[i] })))}, ${oneOf(senses[kind[i]])}`;
    byId("map-note").textContent = `${count.toLocaleString("en")}${sample} items${found}${middle}`;
  }
}

// A movement as six lines: three of acceleration above, three of rotation below.
import { el, svg } from "./dom.js";

const WIDTH = 320;
const HEIGHT = 200;
const AXES = ["x", "y", "z"];

function line(values, column, middle, half, top) {
  const points = values.map((row, i) => {
    const across = (i / Math.max(1, values.length - 1)) * WIDTH;
    return `${across.toFixed(1)},${(top - ((row[column] - middle) / half) * (HEIGHT / 4 - 8)).toFixed(1)}`;
  });
  return svg("polyline", { points: points.join(" "), class: `axis ${AXES[column % 3]}`, "vector-effect": "non-scaling-stroke" });
}

function band(values, columns, top) {
  const all = values.flatMap((row) => columns.map((column) => row[column]));
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const half = Math.max((high - low) / 2, 1e-6);
  return columns.map((column) => line(values, column, (low + high) / 2, half, top));
}

/** A drawing of `lines`, the JSON that the preview of a movement is. */
export function movement(lines, title) {
  const length = lines.seconds ? `${lines.seconds.toFixed(1)} s` : `${lines.values.length} samples`;
  const drawing = svg(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", class: "movement", role: "img", "aria-label": `${title}: acceleration and rotation over ${length}` },
    svg("line", { x1: 0, x2: WIDTH, y1: HEIGHT / 2, y2: HEIGHT / 2, class: "between" }),
    ...band(lines.values, [0, 1, 2], HEIGHT / 4),
    ...band(lines.values, [3, 4, 5], (3 * HEIGHT) / 4),
  );
  const names = AXES.map((axis) => el("span", { class: axis }, axis));
  return el("div", { class: "moving" }, drawing, el("p", { class: "axes", "aria-hidden": "true" }, "acceleration ", names), el("p", { class: "axes lower", "aria-hidden": "true" }, `rotation · ${length}`));
}

// The answer of `GET .../map` as typed arrays, with a grid that finds the point nearest to a place.

const CELLS = 128;

const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const floats = (text) => new Float32Array(bytes(text).buffer);

/** `xy`: Float32Array (2 n) in [-1, 1]; `kind`: Uint8Array (n) into `senses`. */
export function readPoints(answer) {
  const [x, y] = [floats(answer.x), floats(answer.y)];
  const xy = new Float32Array(x.length * 2);
  for (let i = 0; i < x.length; i += 1) {
    xy[2 * i] = x[i];
    xy[2 * i + 1] = y[i];
  }
  return { count: x.length, total: answer.total, xy, kind: bytes(answer.modality), senses: answer.modalities, ids: answer.ids };
}

const cellOf = (value) => Math.max(0, Math.min(CELLS - 1, Math.floor(((value + 1) / 2) * CELLS)));

/** Points by cell: `order` holds the points of cell c from `starts[c]` to `starts[c + 1]`. */
export class Grid {
  constructor(points) {
    this.points = points;
    this.starts = new Uint32Array(CELLS * CELLS + 1);
    this.order = new Uint32Array(points.count);
    const cells = new Uint32Array(points.count);
    for (let i = 0; i < points.count; i += 1) {
      cells[i] = cellOf(points.xy[2 * i + 1]) * CELLS + cellOf(points.xy[2 * i]);
      this.starts[cells[i] + 1] += 1;
    }
    for (let c = 0; c < CELLS * CELLS; c += 1) this.starts[c + 1] += this.starts[c];
    const filled = this.starts.slice();
    for (let i = 0; i < points.count; i += 1) this.order[filled[cells[i]]++] = i;
  }

  /** The nearest shown point within `reach` of (x, y), or -1; `shown[kind]` says which senses are. */
  nearest(x, y, reach, shown) {
    const { xy, kind } = this.points;
    let [best, least] = [-1, reach * reach];
    for (let row = cellOf(y - reach); row <= cellOf(y + reach); row += 1) {
      for (let column = cellOf(x - reach); column <= cellOf(x + reach); column += 1) {
        const cell = row * CELLS + column;
        for (let at = this.starts[cell]; at < this.starts[cell + 1]; at += 1) {
          const i = this.order[at];
          const away = (xy[2 * i] - x) ** 2 + (xy[2 * i + 1] - y) ** 2;
          if (away < least && shown[kind[i]]) [best, least] = [i, away];
        }
      }
    }
    return best;
  }
}

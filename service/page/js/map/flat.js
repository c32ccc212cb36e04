// Points on a plain canvas, for browsers without WebGL.

const css = ([red, green, blue, alpha], share) => `rgb(${red * 255} ${green * 255} ${blue * 255} / ${alpha * share})`;

export class FlatPainter {
  constructor(canvas) {
    this.context = canvas.getContext("2d");
  }

  load(points) {
    this.points = points;
    this.count = points.count;
  }

  mark(hits, some) {
    this.hits = hits;
    this.dim = some ? 0.28 : 1;
  }

  draw(camera, colours, ratio) {
    const { context, points, hits } = this;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, camera.width, camera.height);
    const size = camera.size(points.count);
    for (let i = 0; i < points.count; i += 1) {
      const [x, y] = camera.pixel(points.xy[2 * i], points.xy[2 * i + 1]);
      const colour = colours[points.kind[i]];
      if (!colour[3] || x < -size || y < -size || x > camera.width + size || y > camera.height + size) continue;
      const side = size * (1 + hits[i]) * 0.85;
      context.fillStyle = css(colour, hits[i] ? 1 : this.dim);
      context.fillRect(x - side / 2, y - side / 2, side, side);
    }
  }
}

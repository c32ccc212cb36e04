// Hands on the map: mouse, fingers, wheel, keys.

const STEP_PX = 60;
const KEYS = { ArrowLeft: [STEP_PX, 0], ArrowRight: [-STEP_PX, 0], ArrowUp: [0, STEP_PX], ArrowDown: [0, -STEP_PX] };
const NEARER = 1.4;
const STILL_PX = 5;

const middle = (touches) => [...touches.values()].reduce(([x, y], [px, py]) => [x + px / touches.size, y + py / touches.size], [0, 0]);
const spread = (touches) => (touches.size < 2 ? 0 : Math.hypot(...[0, 1].map((i) => [...touches.values()][0][i] - [...touches.values()][1][i])));

function pointers(canvas, camera, on) {
  const touches = new Map();
  let moved = 0;
  const at = (event) => [event.offsetX, event.offsetY];
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    touches.set(event.pointerId, at(event));
    if (touches.size === 1) moved = 0;
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!touches.has(event.pointerId)) return on.hover(...at(event));
    const [from, wide] = [middle(touches), spread(touches)];
    touches.set(event.pointerId, at(event));
    const to = middle(touches);
    moved += Math.hypot(to[0] - from[0], to[1] - from[1]);
    camera.pan(to[0] - from[0], to[1] - from[1]);
    if (wide) camera.magnify(spread(touches) / wide, ...to);
    return on.moved();
  });
  const end = (event) => {
    const tapped = touches.delete(event.pointerId) && !touches.size && moved < STILL_PX && event.type === "pointerup";
    if (tapped) on.open(...at(event));
  };
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, end);
  canvas.addEventListener("pointerleave", () => on.hover(null));
}

function keys(canvas, camera, on) {
  canvas.addEventListener("keydown", (event) => {
    if (KEYS[event.key]) camera.pan(...KEYS[event.key]);
    else if (event.key === "+" || event.key === "=") camera.magnify(NEARER);
    else if (event.key === "-") camera.magnify(1 / NEARER);
    else if (event.key === "0") camera.all();
    else if (event.key === "Enter") on.open(camera.width / 2, camera.height / 2, Infinity);
    else return;
    event.preventDefault();
    on.moved();
    on.settled();
  });
}

/** `on`: `moved`, `settled` (after a key), `hover(x, y)` or `hover(null)`, `open(x, y, reach)`, in pixels. */
export function startGestures(canvas, camera, buttons, on) {
  pointers(canvas, camera, on);
  keys(canvas, camera, on);
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    camera.magnify(Math.exp(-event.deltaY * 0.0015), event.offsetX, event.offsetY);
    on.moved();
  }, { passive: false });
  const deeds = { in: () => camera.magnify(NEARER), out: () => camera.magnify(1 / NEARER), all: () => camera.all() };
  for (const [name, button] of Object.entries(buttons)) {
    button.addEventListener("click", () => { deeds[name](); on.moved(); on.settled(); });
  }
}

// Points through WebGL: uploaded once, drawn in one call per frame.

const VERTEX = `
attribute vec2 place; attribute float kind; attribute float hit;
uniform vec2 middle; uniform vec2 scale; uniform float size; uniform vec4 colours[16]; uniform float dim;
varying vec4 colour;
void main() {
  vec4 own = colours[int(kind + 0.5)];
  colour = vec4(own.rgb, own.a * mix(dim, 1.0, hit));
  gl_Position = own.a == 0.0 ? vec4(2.0, 2.0, 2.0, 1.0) : vec4((place - middle) * scale, 0.0, 1.0);
  gl_PointSize = size * (1.0 + hit);
}`;
const FRAGMENT = `
precision mediump float; varying vec4 colour;
void main() {
  float far = length(gl_PointCoord - 0.5);
  float alpha = colour.a * (1.0 - smoothstep(0.38, 0.5, far));
  gl_FragColor = vec4(colour.rgb * alpha, alpha);
}`;
const UNIFORMS = ["middle", "scale", "size", "colours", "dim"];

function program(gl) {
  const made = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
    const shader = gl.createShader(kind);
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(made, shader);
  }
  gl.linkProgram(made);
  return gl.getProgramParameter(made, gl.LINK_STATUS) ? made : null;
}

export class GlPainter {
  /** Null where the browser has no WebGL. */
  static on(canvas) {
    const gl = canvas.getContext("webgl", { antialias: false, alpha: true, premultipliedAlpha: true });
    const made = gl && program(gl);
    return made ? new GlPainter(gl, made) : null;
  }

  constructor(gl, made) {
    this.gl = gl;
    this.program = made;
    this.buffers = {};
    this.at = Object.fromEntries(UNIFORMS.map((name) => [name, gl.getUniformLocation(made, name)]));
    gl.useProgram(made);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  }

  feed(name, values, width) {
    const { gl } = this;
    const place = gl.getAttribLocation(this.program, name);
    this.buffers[name] ??= gl.createBuffer();
    gl.bindBuffer(gl.ARRAY_BUFFER, this.buffers[name]);
    gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
    gl.enableVertexAttribArray(place);
    gl.vertexAttribPointer(place, width, values instanceof Float32Array ? gl.FLOAT : gl.UNSIGNED_BYTE, false, 0, 0);
  }

  load(points) {
    this.count = points.count;
    this.feed("place", points.xy, 2);
    this.feed("kind", points.kind, 1);
  }

  /** `hits`: Uint8Array (n), 1 where a point is among the results. */
  mark(hits, some) {
    this.dim = some ? 0.28 : 1;
    this.feed("hit", hits, 1);
  }

  /** `colours`: [r, g, b, a] in [0, 1] for each sense; a = 0 hides it. */
  draw(camera, colours, ratio) {
    const { gl, at } = this;
    gl.viewport(0, 0, gl.drawingBufferWidth, gl.drawingBufferHeight);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.uniform2f(at.middle, camera.x, camera.y);
    gl.uniform2f(at.scale, (2 * camera.scale) / camera.width, (2 * camera.scale) / camera.height);
    gl.uniform1f(at.size, camera.size(this.count) * ratio);
    gl.uniform1f(at.dim, this.dim);
    gl.uniform4fv(at.colours, colours.flat());
    gl.drawArrays(gl.POINTS, 0, this.count);
  }
}

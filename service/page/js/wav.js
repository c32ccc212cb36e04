// Sound as a WAV file: 16-bit, one channel.

const HEADER_BYTES = 44;
const FULL_SCALE = 32767;

function word(view, at, letters) {
  [...letters].forEach((letter, i) => view.setUint8(at + i, letter.charCodeAt(0)));
}

function header(view, samples, rate) {
  word(view, 0, "RIFF");
  view.setUint32(4, HEADER_BYTES - 8 + samples * 2, true);
  word(view, 8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, rate * 2, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  word(view, 36, "data");
  view.setUint32(40, samples * 2, true);
}

/** `samples` in [-1, 1] at `rate` Hz as the bytes of a WAV file. */
export function wav(samples, rate) {
  const view = new DataView(new ArrayBuffer(HEADER_BYTES + samples.length * 2));
  header(view, samples.length, rate);
  samples.forEach((value, i) => {
    view.setInt16(HEADER_BYTES + i * 2, Math.round(Math.max(-1, Math.min(1, value)) * FULL_SCALE), true);
  });
  return view.buffer;
}

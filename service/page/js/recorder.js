// A recording from the microphone, as a WAV file that every decoder reads.
import { wav } from "./wav.js";

const RATE_HZ = 16000;
const LONGEST_MS = 30000;

async function mono(blob) {
  const context = new AudioContext();
  try {
    const heard = await context.decodeAudioData(await blob.arrayBuffer());
    const offline = new OfflineAudioContext(1, Math.max(1, Math.ceil(heard.duration * RATE_HZ)), RATE_HZ);
    const source = offline.createBufferSource();
    source.buffer = heard;
    source.connect(offline.destination);
    source.start();
    return (await offline.startRendering()).getChannelData(0);
  } finally {
    await context.close();
  }
}

/** Calls `onLevel` with loudness in [0, 1] while `stream` sounds; returns what ends that. */
function watchLevel(stream, onLevel) {
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  context.createMediaStreamSource(stream).connect(analyser);
  const values = new Float32Array(analyser.fftSize);
  let running = true;
  const look = () => {
    if (!running) return;
    analyser.getFloatTimeDomainData(values);
    onLevel(Math.min(1, 4 * Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length)));
    requestAnimationFrame(look);
  };
  look();
  return () => {
    running = false;
    return context.close();
  };
}

/** Starts at once. `stop()` ends it; `file` settles with a WAV file. Throws where there is no microphone. */
export async function record(onLevel) {
  if (!navigator.mediaDevices) throw new Error("Browsers lend the microphone only to pages on localhost or https.");
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  const recorder = new MediaRecorder(stream);
  const pieces = [];
  recorder.addEventListener("dataavailable", (event) => pieces.push(event.data));
  const unwatch = watchLevel(stream, onLevel);
  const stop = () => recorder.state === "recording" && recorder.stop();
  const ended = new Promise((resolve) => { recorder.addEventListener("stop", resolve); });
  recorder.start();
  const limit = setTimeout(stop, LONGEST_MS);
  const file = ended.then(async () => {
    clearTimeout(limit);
    stream.getTracks().forEach((track) => track.stop());
    await unwatch();
    return new File([wav(await mono(new Blob(pieces, { type: recorder.mimeType })), RATE_HZ)], "recording.wav", { type: "audio/wav" });
  });
  return { stop, file };
}

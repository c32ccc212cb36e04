// Sounds over their spectrum, films over their frame.
import { clock, el, icon } from "./dom.js";
import { addressOf, originalOf, previewOf } from "./media.js";

let playing = null;

function alone(player) {
  if (playing && playing !== player) playing.pause();
  playing = player;
}

function follow(player, frame) {
  const needle = frame.querySelector(".needle");
  const move = () => {
    needle.toggleAttribute("data-on", player.currentTime > 0);
    frame.style.setProperty("--at", String(player.duration ? player.currentTime / player.duration : 0));
    if (!player.paused) requestAnimationFrame(move);
  };
  player.addEventListener("play", move);
  player.addEventListener("seeked", move);
}

/** A sound: its mel spectrum is the button that plays it, a line moves along. */
export async function sound(collection, item, title, size) {
  const preview = await previewOf(collection, item, size);
  const seconds = Number(preview.headers.get("x-preview-seconds"));
  const sign = el("span", { class: "play" }, icon("play"));
  const picture = el("img", { src: await addressOf(preview), alt: "" });
  const frame = el("button", { type: "button", class: "sound", "aria-label": `Play ${title}` }, picture, el("span", { class: "needle" }), sign, el("span", { class: "time" }, clock(seconds)));
  let player = null;
  const show = (on) => {
    sign.replaceChildren(icon(on ? "pause" : "play"));
    frame.setAttribute("aria-label", `${on ? "Pause" : "Play"} ${title}`);
  };
  frame.addEventListener("click", async () => {
    if (!player) {
      player = new Audio(await addressOf(await originalOf(collection, item)));
      player.currentTime = item.segment?.start_s ?? 0;
      player.addEventListener("play", () => { alone(player); show(true); });
      player.addEventListener("pause", () => show(false));
      follow(player, frame);
    }
    if (player.paused) await player.play();
    else player.pause();
  });
  return frame;
}

/** A film: the frame of the hit, and behind it the film from there on. */
export async function film(collection, item, title, size) {
  const start = item.segment?.start_s;
  const still = el("img", { src: await addressOf(await previewOf(collection, item, size, start)), alt: title });
  const badge = item.segment ? el("span", { class: "time" }, `${clock(start)}–${clock(item.segment.end_s)}`) : null;
  const frame = el("button", { type: "button", class: "film", "aria-label": `Play ${title}` }, still, el("span", { class: "play" }, icon("play")), badge);
  frame.addEventListener("click", async () => {
    const player = el("video", { controls: true, playsInline: true, src: await addressOf(await originalOf(collection, item)), "aria-label": title });
    player.currentTime = start ?? 0;
    player.addEventListener("play", () => alone(player));
    frame.replaceWith(player);
    player.focus();
    await player.play();
  });
  return frame;
}

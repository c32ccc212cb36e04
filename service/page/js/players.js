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

const spoken = (segment) => (segment ? ` from ${clock(segment.start_s)} to ${clock(segment.end_s)}` : "");

/** The time of the stretch that was found, as a label. */
export const stretchOf = (segment) => el("span", { class: "time" }, `${clock(segment.start_s)}–${clock(segment.end_s)}`);

/** The stretch that was found, over the picture of a recording of `seconds`. */
function found(segment, seconds) {
  const mark = el("span", { class: "stretch" });
  mark.style.setProperty("--from", String(segment.start_s / seconds));
  mark.style.setProperty("--share", String((segment.end_s - segment.start_s) / seconds));
  return mark;
}

/** A sound: its mel spectrum is the button that plays it, from the hit on, a line moves along. */
export async function sound(collection, item, title, size) {
  const preview = await previewOf(collection, item, size);
  const seconds = Number(preview.headers.get("x-preview-seconds"));
  const sign = el("span", { class: "play" }, icon("play"));
  const picture = el("img", { src: await addressOf(preview), alt: "" });
  const frame = el("button", { type: "button", class: "sound", "aria-label": `Play ${title}${spoken(item.segment)}` }, picture, item.segment ? found(item.segment, seconds) : null, el("span", { class: "needle" }), sign, item.segment ? stretchOf(item.segment) : el("span", { class: "time" }, clock(seconds)));
  let player = null;
  const show = (on) => {
    sign.replaceChildren(icon(on ? "pause" : "play"));
    frame.setAttribute("aria-label", `${on ? "Pause" : "Play"} ${title}${spoken(item.segment)}`);
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

/** A film: a frame from the middle of the hit, and behind it the film from its beginning on. */
export async function film(collection, item, title, size) {
  const { segment } = item;
  const seen = segment ? (segment.start_s + segment.end_s) / 2 : undefined;
  const still = el("img", { src: await addressOf(await previewOf(collection, item, size, seen)), alt: title });
  const frame = el("button", { type: "button", class: "film", "aria-label": `Play ${title}${spoken(segment)}` }, still, el("span", { class: "play" }, icon("play")), segment ? stretchOf(segment) : null);
  frame.addEventListener("click", async () => {
    const player = el("video", { controls: true, playsInline: true, src: await addressOf(await originalOf(collection, item)), "aria-label": title });
    player.currentTime = segment?.start_s ?? 0;
    player.addEventListener("play", () => alone(player));
    frame.replaceWith(player);
    player.focus();
    await player.play();
  });
  return frame;
}

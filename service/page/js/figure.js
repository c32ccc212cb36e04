// An item as what it is: picture, film, sound, coloured map, lines, words.
import { el, icon } from "./dom.js";
import { addressOf, originalOf, previewOf, whenSeen } from "./media.js";
import { movement } from "./movement.js";
import { film, sound, stretchOf } from "./players.js";
import { oneOf, signOf } from "./senses.js";

const LONGEST_QUOTE = 400;

const isName = (value) => typeof value === "number" || (typeof value === "string" && value.trim() !== "");

export const titleOf = (item) => String([item.metadata?.title, item.metadata?.file].find(isName) ?? item.id);

async function picture(collection, item, title, size) {
  const answer = await previewOf(collection, item, size);
  const range = answer.headers.get("x-preview-range")?.split(" ");
  const image = el("img", { src: await addressOf(answer), alt: `${oneOf(item.modality)}: ${title}` });
  if (!range) return image;
  return el("div", { class: "measured" }, image, el("p", { class: "range" }, el("span", {}, `${range[0]} m`), el("span", { class: "ramp" }), el("span", {}, `${range[1]} m`)));
}

async function words(collection, item) {
  const text = await (await originalOf(collection, item)).text();
  return el("blockquote", {}, text.length > LONGEST_QUOTE ? `${text.slice(0, LONGEST_QUOTE)}…` : text);
}

async function lines(collection, item, title) {
  const drawing = movement(await (await previewOf(collection, item)).json(), title);
  if (item.segment) drawing.append(stretchOf(item.segment));
  return drawing;
}

const KINDS = { image: picture, depth: picture, thermal: picture, video: film, audio: sound, imu: lines, text: words };

/** A frame that fills itself once it is about to be seen. */
export function figure(collection, item, size = 480) {
  const frame = el("div", { class: "figure", "data-sense": item.modality });
  const empty = () => frame.replaceChildren(el("span", { class: "nothing" }, icon(signOf(item.modality)), "no media kept"));
  whenSeen(frame, async () => {
    const kind = KINDS[item.modality];
    if (!kind) return empty();
    try {
      return frame.replaceChildren(await kind(collection, item, titleOf(item), size));
    } catch {
      return empty();
    }
  });
  return frame;
}

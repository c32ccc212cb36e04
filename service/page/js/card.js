// A result: what it is, how near it lies, and what can be done with it.
import { el, icon } from "./dom.js";
import { figure, titleOf } from "./figure.js";
import { oneOf, signOf } from "./senses.js";

// `calibrated` at which something is as likely related as not (docs/http.md), and the end of the gauge.
const EVEN = 5;
const FULL = 10;

function gauge(item) {
  const share = Math.max(0, Math.min(1, item.calibrated / FULL));
  const meter = el("span", { class: "gauge", title: `${EVEN} is as likely related as not` });
  meter.style.setProperty("--share", String(share));
  const spoken = `${item.calibrated.toFixed(1)} above chance, cosine ${item.score.toFixed(2)}`;
  return el(
    "p", { class: "scores" },
    meter, el("span", { class: "hidden" }, spoken),
    el("span", { "aria-hidden": "true" }, el("b", {}, item.calibrated.toFixed(1)), ` cos ${item.score.toFixed(2)}`),
  );
}

/** Whether `item` lies farther than what is as likely related as not. */
export const isFar = (item) => typeof item.calibrated === "number" && item.calibrated < EVEN;

const hasScore = (item) => typeof item.calibrated === "number";

/** A card for `item`; `doing` has `open`, `near`, `plus`, `minus`, each taking the item. */
export function card(collection, item, doing) {
  const title = titleOf(item);
  const deed = (name, label, text) =>
    el("button", { type: "button", class: "plain", "aria-label": `${label} ${title}`, onclick: () => doing[name](item) }, text);
  return el(
    "article", { class: "card", "data-sense": item.modality, "data-id": item.id },
    figure(collection, item),
    el("h3", {}, icon(signOf(item.modality)), el("button", { type: "button", class: "title", onclick: () => doing.open(item) }, title, el("span", { class: "hidden" }, `, ${oneOf(item.modality)}`))),
    hasScore(item) ? gauge(item) : null,
    el("p", { class: "deeds" }, deed("near", "More like", "More like this"), deed("plus", "Search also with", "+"), deed("minus", "Search without", "−")),
  );
}

// The parts of the query, each with its sign, its weight and, for files, what they are.
import { el, icon } from "./dom.js";
import { oneOf, signOf } from "./senses.js";

const titleOf = (part) => part.text ?? part.label ?? part.file.name;
const senseOf = (part) => (part.text !== undefined ? "text" : part.sense ?? "other");

function picture(part) {
  if (senseOf(part) !== "image" || !part.file) return icon(signOf(senseOf(part)));
  part.url ??= URL.createObjectURL(part.file);
  return el("img", { class: "thumb", src: part.url, alt: "" });
}

function signButton(part, query) {
  const minus = part.sign < 0;
  const label = `${minus ? "Without" : "With"} ${titleOf(part)}; change to ${minus ? "with" : "without"}`;
  const turn = () => query.alter(part, { sign: -part.sign });
  return el("button", { type: "button", class: "sign", "aria-label": label, onclick: turn }, minus ? "−" : "+");
}

function weightSlider(part, query) {
  const facts = { type: "range", min: "0.1", max: "2", step: "0.1", value: String(part.weight), "aria-label": `Weight of ${titleOf(part)}` };
  const shown = el("output", {}, part.weight.toFixed(1));
  const slider = el("input", {
    ...facts,
    oninput: () => { shown.textContent = Number(slider.value).toFixed(1); },
    onchange: () => query.alter(part, { weight: Number(slider.value) }),
  });
  return el("span", { class: "weight" }, slider, shown);
}

function senseChoice(part, query) {
  if (!part.file || part.senses.length < 2) return null;
  const options = part.senses.map((sense) => el("option", { value: sense, selected: sense === part.sense }, oneOf(sense)));
  const choose = (event) => query.alter(part, { sense: event.target.value });
  return el("select", { "aria-label": `What ${titleOf(part)} is`, onchange: choose }, options);
}

function rateField(part, query) {
  if (part.sense !== "imu" || !part.file.name.endsWith(".npy")) return null;
  const change = (event) => query.alter(part, { rate: Number(event.target.value) || undefined });
  return el("input", { type: "number", class: "rate", min: "1", placeholder: "Hz", value: part.rate ?? "", "aria-label": "Samples per second", onchange: change });
}

function chip(part, query) {
  const gone = el("button", { type: "button", class: "gone", "aria-label": `Remove ${titleOf(part)}`, onclick: () => query.remove(part) }, icon("close"));
  return el(
    "li",
    { class: "chip", "data-sense": senseOf(part), "data-sign": part.sign < 0 ? "minus" : "plus" },
    signButton(part, query), picture(part), el("span", { class: "chip-title", title: titleOf(part) }, titleOf(part)),
    senseChoice(part, query), rateField(part, query), weightSlider(part, query), gone,
  );
}

/** Draw the parts into `list` and again after each change, keeping the focus where it was. */
export function showChips(list, query) {
  const draw = () => {
    const focused = [...list.querySelectorAll("button, input, select")].indexOf(document.activeElement);
    list.replaceChildren(...query.parts.map((part) => chip(part, query)));
    list.hidden = !query.parts.length;
    if (focused >= 0) (list.querySelectorAll("button, input, select")[focused] ?? document.getElementById("words")).focus();
  };
  query.addEventListener("change", draw);
  draw();
}

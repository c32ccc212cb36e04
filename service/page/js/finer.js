// What narrows a search: senses, metadata, variety, groups.
import { byId, el, icon } from "./dom.js";
import { SENSES, nameOf, signOf } from "./senses.js";

const OPERATORS = {
  is: (key, text) => ({ key, match: { value: valueOf(text) } }),
  "is not": (key, text) => ({ key, match: { except: [valueOf(text)] } }),
  "is one of": (key, text) => ({ key, match: { any: text.split(",").map((each) => valueOf(each.trim())) } }),
  "at least": (key, text) => ({ key, range: { gte: boundOf(text) } }),
  "at most": (key, text) => ({ key, range: { lte: boundOf(text) } }),
  "is there": (key) => ({ key, exists: true }),
};

const boundOf = (text) => (text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : text.trim());

function valueOf(text) {
  if (text === "true" || text === "false") return text === "true";
  return boundOf(text);
}

function row(changed) {
  const key = el("input", { type: "text", placeholder: "key", "aria-label": "Key", list: "keys", onchange: changed });
  const value = el("input", { type: "text", placeholder: "value", "aria-label": "Value", onchange: changed });
  const operator = el("select", { "aria-label": "Condition" }, Object.keys(OPERATORS).map((name) => el("option", {}, name)));
  const made = el("div", { class: "condition" }, key, operator, value);
  operator.addEventListener("change", () => {
    value.hidden = operator.value === "is there";
    changed();
  });
  made.append(el("button", { type: "button", class: "gone", "aria-label": "Remove this condition", onclick: () => { made.remove(); changed(); } }, icon("close")));
  made.condition = () => {
    const complete = key.value.trim() && (value.value.trim() || value.hidden);
    return complete ? OPERATORS[operator.value](key.value.trim(), value.value) : null;
  };
  return made;
}

/** Tells of `change`; `body` are fields of a search request. */
export class Finer extends EventTarget {
  constructor() {
    super();
    this.chosen = new Set();
    this.told = "{}";
    const changed = () => this.tell();
    const more = el("button", { type: "button", class: "plain", onclick: () => more.before(row(changed)) }, "Another condition");
    byId("conditions").append(row(changed), more);
    byId("diversity").addEventListener("input", (event) => { event.target.nextElementSibling.textContent = event.target.value; });
    for (const id of ["diversity", "group"]) byId(id).addEventListener("change", changed);
  }

  /** Half a condition is none: only what alters the request is a change. */
  tell() {
    const now = JSON.stringify(this.body);
    if (now === this.told) return;
    this.told = now;
    this.dispatchEvent(new Event("change"));
  }

  /** Show a switch for each sense that the collection has. */
  offer(counts) {
    const known = [...SENSES.filter((sense) => counts[sense]), ...Object.keys(counts).filter((sense) => !SENSES.includes(sense))];
    this.chosen = new Set([...this.chosen].filter((sense) => counts[sense]));
    byId("senses").replaceChildren(...known.map((sense) => this.switchOf(sense, counts[sense])));
  }

  switchOf(sense, count) {
    const turn = (event) => {
      if (!this.chosen.delete(sense)) this.chosen.add(sense);
      event.currentTarget.setAttribute("aria-pressed", String(this.chosen.has(sense)));
      this.tell();
    };
    const facts = { type: "button", class: "sense", "data-sense": sense, "aria-pressed": String(this.chosen.has(sense)), onclick: turn };
    return el("button", facts, icon(signOf(sense)), nameOf(sense), el("span", { class: "count" }, count.toLocaleString("en")));
  }

  /** Offer the metadata keys met so far. */
  learn(metadata) {
    const known = new Set([...byId("keys").children].map((each) => each.value));
    for (const key of Object.keys(metadata ?? {})) if (!known.has(key)) byId("keys").append(el("option", { value: key }));
  }

  get body() {
    const must = [...byId("conditions").querySelectorAll(".condition")].map((each) => each.condition()).filter(Boolean);
    const variety = Number(byId("diversity").value);
    const group = byId("group").value.trim();
    return {
      ...(this.chosen.size ? { modalities: [...this.chosen] } : {}),
      ...(must.length ? { filter: { must } } : {}),
      ...(variety ? { diversity: variety } : {}),
      ...(group ? { group_by: group } : {}),
    };
  }
}

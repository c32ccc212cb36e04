// The list of cards: what a search found, or without one what the collection holds; more on demand.
import { collectionPath, getJson, postJson } from "./api.js";
import { card, isFar } from "./card.js";
import { byId, el } from "./dom.js";
import { release } from "./media.js";

const PAGE = 24;
// Of items that are looked through for rare ones.
const LOOKED_THROUGH = 200;
const SEARCHES_ONLY = "what stands under Finer narrows searches, not this list";

async function searched(name, query, finer, offset, signal) {
  const body = { query: await query.body(), limit: PAGE + 1, offset, ...finer.body };
  const { results, notes } = await postJson(`${collectionPath(name)}/search`, body, { signal });
  return { items: results.slice(0, PAGE), more: results.length > PAGE ? offset + PAGE : null, notes: notes ?? [] };
}

async function held(name, finer, cursor, signal) {
  const chosen = [...finer.chosen];
  const { modalities, ...finest } = finer.body;
  const query = new URLSearchParams({ limit: PAGE, ...(cursor ? { cursor } : {}), ...(chosen.length === 1 ? { modality: chosen[0] } : {}) });
  const items = [];
  for (;;) {
    const page = await getJson(`${collectionPath(name)}/items?${query}`, { signal });
    items.push(...page.items.filter((item) => !chosen.length || finer.chosen.has(item.modality)));
    if (items.length || !page.next_cursor) return { items, more: page.next_cursor, notes: Object.keys(finest).length ? [SEARCHES_ONLY] : [] };
    query.set("cursor", page.next_cursor);
    query.set("limit", LOOKED_THROUGH);
  }
}

/** Fires `shown` with the items of the present search in `detail`. */
export class Results extends EventTarget {
  constructor(query, finer, doing) {
    super();
    Object.assign(this, { query, finer, doing, items: [], next: null, going: null });
    byId("more").addEventListener("click", () => this.load(this.next));
  }

  start(name) {
    if (name !== this.name) this.empty();
    this.name = name;
    return this.load(null);
  }

  async load(from) {
    this.going?.abort();
    const going = new AbortController();
    this.going = going;
    byId("near").setAttribute("aria-busy", "true");
    this.complain("");
    try {
      const page = this.query.isEmpty
        ? await held(this.name, this.finer, from, going.signal)
        : await searched(this.name, this.query, this.finer, from ?? 0, going.signal);
      if (this.going === going) this.show(page, from !== null);
    } catch (error) {
      if (error.name !== "AbortError" && this.going === going) this.complain(this.explained(error));
    }
    if (this.going === going) byId("near").removeAttribute("aria-busy");
  }

  /** What the server said, behind the name of the file that it means. */
  explained(error) {
    const name = this.query.fileAt(error.body?.error?.param);
    return name && !error.message.includes(name) ? `${name}: ${error.message}` : error.message;
  }

  empty() {
    const list = byId("results");
    release(list);
    list.replaceChildren();
    this.items = [];
    byId("more").hidden = true;
  }

  show(page, further) {
    if (!further) this.empty();
    this.items.push(...page.items);
    this.next = page.more;
    page.items.forEach((item) => this.finer.learn(item.metadata));
    const fresh = page.items.map((item) => el("li", { class: isFar(item) ? "far" : null }, card(this.name, item, this.doing)));
    byId("results").append(...fresh);
    byId("more").hidden = this.next === null;
    if (further) fresh[0]?.querySelector("button.title")?.focus();
    this.tell(page.notes);
    this.dispatchEvent(new CustomEvent("shown", { detail: this.query.isEmpty ? [] : this.items }));
  }

  tell(notes) {
    const count = this.items.length;
    const items = count === 1 ? "1 item" : `${count} items`;
    const spoken = this.query.spoken;
    const more = this.next !== null;
    const near = more ? `The ${items} nearest to ${spoken}` : `${items} near ${spoken}`;
    const far = `Nothing lies close to ${spoken}; ${count === 1 ? "this one lies" : `these ${count} lie`} nearest`;
    const listed = `${more ? "The first " : ""}${items} of ${this.name}`;
    const narrowed = Object.keys(this.finer.body).length > 0;
    const none = narrowed ? `Nothing in ${this.name} passes the filter.` : `Nothing is in ${this.name} yet. Press Add files to fill it.`;
    const found = this.items.some((item) => !isFar(item)) ? near : far;
    const said = count === 0 ? none : this.query.isEmpty ? listed : found;
    byId("status").textContent = [said, ...notes].join(" · ");
  }

  complain(message) {
    byId("trouble").textContent = message;
    byId("trouble").hidden = !message;
  }
}

// The list of cards: what a search found, or without one what the collection holds; more on demand.
import { collectionPath, getJson, postJson } from "./api.js";
import { card, isFar } from "./card.js";
import { byId, el } from "./dom.js";
import { release } from "./media.js";

const PAGE = 24;

async function searched(name, query, finer, offset, signal) {
  const body = { query: await query.body(), limit: PAGE + 1, offset, ...finer.body };
  const { results, notes } = await postJson(`${collectionPath(name)}/search`, body, { signal });
  return { items: results.slice(0, PAGE), more: results.length > PAGE ? offset + PAGE : null, notes: notes ?? [] };
}

async function held(name, finer, cursor, signal) {
  const chosen = [...finer.chosen];
  const query = new URLSearchParams({ limit: PAGE, ...(cursor ? { cursor } : {}), ...(chosen.length === 1 ? { modality: chosen[0] } : {}) });
  const page = await getJson(`${collectionPath(name)}/items?${query}`, { signal });
  const items = chosen.length > 1 ? page.items.filter((item) => finer.chosen.has(item.modality)) : page.items;
  return { items, more: page.next_cursor, notes: [] };
}

/** Fires `shown` with the items of the present search in `detail`. */
export class Results extends EventTarget {
  constructor(query, finer, doing) {
    super();
    Object.assign(this, { query, finer, doing, items: [], next: null, going: null });
    byId("more").addEventListener("click", () => this.load(this.next));
  }

  start(name) {
    this.name = name;
    return this.load(null);
  }

  async load(from) {
    this.going?.abort();
    const going = new AbortController();
    this.going = going;
    byId("near").setAttribute("aria-busy", "true");
    try {
      const page = this.query.isEmpty
        ? await held(this.name, this.finer, from, going.signal)
        : await searched(this.name, this.query, this.finer, from ?? 0, going.signal);
      if (this.going === going) this.show(page, from !== null);
      this.complain("");
    } catch (error) {
      if (error.name !== "AbortError") this.complain(error.message);
    }
    if (this.going === going) byId("near").removeAttribute("aria-busy");
  }

  show(page, further) {
    const list = byId("results");
    if (!further) {
      release(list);
      list.replaceChildren();
      this.items = [];
    }
    this.items.push(...page.items);
    this.next = page.more;
    page.items.forEach((item) => this.finer.learn(item.metadata));
    const fresh = page.items.map((item) => el("li", { class: isFar(item) ? "far" : null }, card(this.name, item, this.doing)));
    list.append(...fresh);
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
    const none = this.query.isEmpty ? `Nothing is in ${this.name} yet. Add files, or drop a few.` : `Nothing near ${spoken} passes the filter.`;
    const found = this.items.some((item) => !isFar(item)) ? near : far;
    const said = count === 0 ? none : this.query.isEmpty ? listed : found;
    byId("status").textContent = [said, ...notes].join(" · ");
  }

  complain(message) {
    byId("trouble").textContent = message;
    byId("trouble").hidden = !message;
  }
}

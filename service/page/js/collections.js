// Which collection is looked at; new ones, and those that go.
import { ask, collectionPath, getJson } from "./api.js";
import { byId, el } from "./dom.js";
import { sure } from "./sure.js";

const WAIT_MS = 1500;
const PATIENCE = 20;
const NAME = "sensorium-collection";

const total = (each) => Object.values(each.items ?? {}).reduce((sum, count) => sum + count, 0);
const label = (each) => (each.status === "damaged" ? `${each.name} (damaged)` : `${each.name} · ${total(each).toLocaleString("en")}`);

/** Fires `change` when another collection is looked at or what it holds has changed. */
export class Collections extends EventTarget {
  constructor(complain) {
    super();
    this.all = [];
    this.name = "";
    byId("collection").addEventListener("change", (event) => this.choose(event.target.value));
    byId("new-collection").addEventListener("click", () => this.ask());
    byId("drop-collection").addEventListener("click", () => this.drop().catch((error) => complain(error.message)));
    byId("create").querySelector("form").addEventListener("submit", (event) => this.create(event));
  }

  get current() {
    return this.all.find((each) => each.name === this.name);
  }

  /** Read the list; a gallery that is just being hung is waited for. */
  async refresh(wanted = this.name || sessionStorage.getItem(NAME)) {
    this.all = (await getJson("v1/collections")).data;
    this.name = (this.all.find((each) => each.name === wanted) ?? this.all[0])?.name ?? "";
    this.draw();
    this.dispatchEvent(new Event("change"));
  }

  /** Look again while there is nothing, or while what there is grows. */
  async watch() {
    let growing = true;
    for (let times = 0; times < PATIENCE && (growing || !this.all.length); times += 1) {
      await new Promise((resolve) => { setTimeout(resolve, WAIT_MS); });
      const now = (await getJson("v1/collections")).data;
      growing = JSON.stringify(now.map(label)) !== JSON.stringify(this.all.map(label));
      if (growing) await this.refresh();
    }
  }

  draw() {
    byId("collection").replaceChildren(...this.all.map((each) => el("option", { value: each.name, selected: each.name === this.name }, label(each))));
    for (const id of ["collection", "add-files", "drop-collection"]) byId(id).disabled = !this.name;
  }

  choose(name) {
    this.name = name;
    sessionStorage.setItem(NAME, name);
    this.draw();
    this.dispatchEvent(new Event("change"));
  }

  ask() {
    byId("create-fault").textContent = "";
    byId("create-name").value = "";
    byId("create").showModal();
  }

  async create(event) {
    event.preventDefault();
    const name = byId("create-name").value.trim();
    try {
      await ask(collectionPath(name), { method: "PUT" });
      byId("create").close();
      sessionStorage.setItem(NAME, name);
      await this.refresh(name);
    } catch (error) {
      byId("create-fault").textContent = error.message;
    }
  }

  async drop() {
    const held = total(this.current ?? {});
    if (!(await sure(`Delete ${this.name}?`, `Its ${held.toLocaleString("en")} items go with it, for good.`))) return;
    await ask(collectionPath(this.name), { method: "DELETE" });
    await this.refresh("");
  }
}

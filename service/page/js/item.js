// One item at large, with everything known about it.
import { ask, itemPath } from "./api.js";
import { byId, el, icon } from "./dom.js";
import { figure, titleOf } from "./figure.js";
import { originalOf, addressOf, release } from "./media.js";
import { oneOf } from "./senses.js";
import { sure } from "./sure.js";

const LARGE = 1024;

const shown = (value) => (typeof value === "object" ? JSON.stringify(value) : String(value));

function facts(item) {
  const known = { kind: oneOf(item.modality), id: item.id, ...item.metadata };
  return el("dl", {}, Object.entries(known).flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, shown(value))]));
}

async function save(collection, item) {
  const link = el("a", { href: await addressOf(await originalOf(collection, item)), download: item.metadata?.file ?? item.id });
  link.click();
}

/** Show `item`; `doing` as for cards, with `gone` called after it was deleted. */
export function openItem(collection, item, doing) {
  const dialog = byId("item");
  const then = (deed) => () => { dialog.close(); deed(item); };
  const drop = async () => {
    if (!(await sure("Delete this item?", `${titleOf(item)} leaves the collection ${collection} for good.`))) return;
    await ask(itemPath(collection, item.id), { method: "DELETE" });
    dialog.close();
    doing.gone(item);
  };
  const complain = (promise) => promise.catch((error) => fault.replaceChildren(error.message));
  const fault = el("p", { class: "fault", role: "alert" });
  const button = (text, onclick, kind = "plain") => el("button", { type: "button", class: kind, onclick }, text);
  dialog.replaceChildren(
    el("button", { type: "button", class: "gone corner", "aria-label": "Close", onclick: () => dialog.close() }, icon("close")),
    el("h2", { id: "item-title" }, titleOf(item)),
    figure(collection, item, LARGE), facts(item), fault,
    el("p", { class: "choices" }, button("More like this", then(doing.near), "go"), button("+ with it", then(doing.plus)), button("− without it", then(doing.minus)), button("Save the file", () => complain(save(collection, item))), button("Delete", () => complain(drop()))),
  );
  dialog.addEventListener("close", () => release(dialog), { once: true });
  dialog.showModal();
}
